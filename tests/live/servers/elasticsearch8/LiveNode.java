import java.nio.file.Path;
import java.util.Map;

import org.elasticsearch.common.logging.LogConfigurator;
import org.elasticsearch.common.settings.Settings;
import org.elasticsearch.env.Environment;
import org.elasticsearch.http.HttpServerTransport;
import org.elasticsearch.node.Node;
import org.elasticsearch.plugins.PluginsLoader;

/** One node of Elasticsearch 8 for tests: LiveNode HOME name=value... prints READY and its address. */
public class LiveNode {
    public static void main(String[] arguments) throws Exception {
        var console = System.out; // configuring the log takes System.out away
        var settings = Settings.builder().put("path.home", arguments[0]);
        for (int i = 1; i < arguments.length; i++) {
            String[] pair = arguments[i].split("=", 2);
            settings.put(pair[0], pair[1]);
        }
        var environment = new Environment(settings.build(), Path.of(arguments[0], "config"));
        LogConfigurator.configureESLogging();
        LogConfigurator.configure(environment, true);
        var loader = PluginsLoader.createPluginsLoader(
            PluginsLoader.loadModulesBundles(environment.modulesDir()),
            PluginsLoader.loadPluginsBundles(environment.pluginsDir()),
            Map.of(),
            false
        );
        var node = new Node(environment, loader);
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
