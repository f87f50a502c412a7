// Javalin on Jetty: a server of servlets. It says which models it would serve, as README.md describes.

import com.fasterxml.jackson.databind.ObjectMapper;
import io.javalin.Javalin;
import io.javalin.http.Context;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;

public class Judge {
    static final ObjectMapper JSON = new ObjectMapper();

    /** What `getParameter` chooses from, and the parts of a form; JSON where there is neither. */
    static void judge(Context context) throws Exception {
        List<String> models = new ArrayList<>();
        String read = "form";
        String[] parameters = context.req().getParameterValues("model");
        if (parameters != null) {
            models.addAll(Arrays.asList(parameters));
        }
        if (context.isMultipartFormData()) {
            models.addAll(context.formParams("model"));
            for (var file : context.uploadedFiles("model")) {
                models.add(new String(file.content().readAllBytes()));
            }
        }
        if (models.isEmpty()) {
            read = "json";
            try {
                var model = JSON.readTree(context.body()).get("model");
                if (model != null) {
                    models.add(model.asText());
                }
            } catch (Exception notJson) {
                // It names no model then.
            }
        }
        String line = "served " + (models.isEmpty() ? "nothing" : String.join(",", models)) + " by " + read + " of "
            + context.header("content-type");
        System.out.println(line);
        context.result(line);
    }

    public static void main(String[] arguments) {
        var server = Javalin.create(config -> {
            config.startup.showJavalinBanner = false;
            config.routes.get("/*", Judge::judge);
            config.routes.post("/*", Judge::judge);
        });
        server.start("127.0.0.1", 0);
        System.out.println("listening on 127.0.0.1:" + server.port());
    }
}
