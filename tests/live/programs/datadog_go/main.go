// What datadog-go sends: plain, aggregated in the client, packed, timed, events and checks.
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"

	"github.com/DataDog/datadog-go/v5/statsd"
)

func main() {
	address, prefix := os.Args[1], os.Args[2]
	number, _ := strconv.Atoi(os.Args[3])
	client, err := statsd.New(address,
		statsd.WithNamespace(prefix),
		statsd.WithTags([]string{"lang:go"}),
		statsd.WithoutTelemetry(),
		statsd.WithExtendedClientSideAggregation(),
		statsd.WithWriteTimeout(5*time.Second),
	)
	check(err)
	for index := 0; index < number; index++ {
		check(client.Count("hits", 2, []string{fmt.Sprintf("code:%d", 200+index%2)}, 1))
		check(client.Histogram("time", float64(index%10), nil, 1))
		check(client.Distribution("size", float64(index), nil, 1))
		check(client.Set("users", strconv.Itoa(index%7), nil, 1))
	}
	check(client.Gauge("depth", 7.5, nil, 1))
	check(client.CountWithTimestamp("late", 5, nil, 1, time.Now().Add(-2*time.Minute)))
	check(client.Event(statsd.NewEvent("deployed", "version 7\nof it")))
	check(client.SimpleServiceCheck("alive", statsd.Ok))
	check(client.Close())
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
