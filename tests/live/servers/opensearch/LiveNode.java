import java.nio.file.Path;

import org.opensearch.common.logging.LogConfigurator;
import org.opensearch.common.settings.Settings;
import org.opensearch.env.Environment;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.Node;

/** One OpenSearch node for tests: LiveNode HOME name=value... prints READY and its address. */
public class LiveNode {
    public static void main(String[] arguments) throws Exception {
        var console = System.out; // configuring the log may take System.out away
        var settings = Settings.builder().put("path.home", arguments[0]);
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        var environment = new Environment(settings.build(), Path.of(arguments[0], "config"));
        LogConfigurator.registerErrorListener();
        LogConfigurator.setNodeName("live");
        LogConfigurator.configure(environment);
        var node = new Node(environment);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> {
            try {
                node.close();
            } catch (java.io.IOException error) {
                error.printStackTrace();
            }
        }));
        node.start();
        var http = node.injector().getInstance(HttpServerTransport.class);
        console.println("READY http://" + http.boundAddress().publishAddress());
        Thread.currentThread().join();
    }
}
