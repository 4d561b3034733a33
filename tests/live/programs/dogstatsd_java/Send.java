// What java-dogstatsd-client sends: counts aggregated in the client, packed times, events and checks.
import com.timgroup.statsd.Event;
import com.timgroup.statsd.NonBlockingStatsDClientBuilder;
import com.timgroup.statsd.ServiceCheck;
import com.timgroup.statsd.StatsDClient;

public class Send {
    public static void main(String[] arguments) throws Exception {
        int number = Integer.parseInt(arguments[2]);
        NonBlockingStatsDClientBuilder builder =
                new NonBlockingStatsDClientBuilder()
                        .prefix(arguments[1])
                        .constantTags("lang:java")
                        .enableTelemetry(false)
                        .blocking(true)
                        .errorHandler(error -> {
                            error.printStackTrace();
                            System.exit(1);
                        });
        if (arguments[0].contains("://")) {
            builder.address(arguments[0]);
        } else {
            builder.hostname("127.0.0.1").port(Integer.parseInt(arguments[0]));
        }
        try (StatsDClient client = builder.build()) {
            for (int index = 0; index < number; index++) {
                client.count("hits", 2, "code:" + (200 + index % 2));
                client.recordExecutionTime("time", index % 10);
                client.recordDistributionValue("size", index);
                client.recordSetValue("users", String.valueOf(index % 7));
            }
            client.gauge("depth", 7.5);
            client.recordEvent(Event.builder().withTitle("deployed").withText("version 7\nof it").build());
            client.recordServiceCheckRun(
                    ServiceCheck.builder().withName("alive").withStatus(ServiceCheck.Status.OK).build());
        }
    }
}
