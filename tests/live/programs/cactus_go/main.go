// What go-statsd-client sends, with the tags of four styles.
package main

import (
	"fmt"
	"os"
	"strconv"

	"github.com/cactus/go-statsd-client/v5/statsd"
)

func main() {
	address, prefix := os.Args[1], os.Args[2]
	number, _ := strconv.Atoi(os.Args[3])
	formats := map[string]statsd.TagFormat{
		"plain":  0,
		"influx": statsd.InfixComma,
		"carbon": statsd.InfixSemicolon,
		"hash":   statsd.SuffixOctothorpe,
	}
	for name, format := range formats {
		client, err := statsd.NewClientWithConfig(&statsd.ClientConfig{
			Address:     address,
			Prefix:      prefix + "." + name,
			UseBuffered: true,
			FlushBytes:  1432,
			TagFormat:   format,
		})
		check(err)
		tags := []statsd.Tag{{"lang", "go"}, {"style", name}}
		if format == 0 {
			tags = nil
		}
		for index := 0; index < number; index++ {
			check(client.Inc("hits", 3, 1, tags...))
			check(client.Timing("time", int64(index%10), 1, tags...))
		}
		check(client.Gauge("depth", 10, 1, tags...))
		check(client.GaugeDelta("depth", -4, 1, tags...))
		check(client.Set("users", "a", 1, tags...))
		check(client.Set("users", "b", 1, tags...))
		check(client.Close())
	}
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}
