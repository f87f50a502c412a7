// cpp-httplib. It says which models it would serve, as README.md describes.
//
// It reads no body of a GET, and so takes it for the next request on the connection, save what it has got together with
// the head. It gets 4096 bytes at once; how many of them are the head is in the header `x-head`.

#include <httplib.h>

#include <iostream>
#include <mutex>
#include <nlohmann/json.hpp>

int main() {
    httplib::Server server;
    std::mutex output;

    auto judge = [&](const httplib::Request &request, httplib::Response &response) {
        std::string models;
        std::string read = "form";
        auto add = [&](const std::string &model) { models += (models.empty() ? "" : ",") + model; };
        auto [first, last] = request.params.equal_range("model");
        for (auto parameter = first; parameter != last; ++parameter) {
            add(parameter->second);
        }
        auto [first_part, last_part] = request.files.equal_range("model");
        for (auto part = first_part; part != last_part; ++part) {
            add(part->second.content);
        }
        if (models.empty()) {
            read = "json";
            auto document = nlohmann::json::parse(request.body, nullptr, false);
            if (document.is_object() && document.contains("model") && document["model"].is_string()) {
                add(document["model"]);
            }
        }
        size_t head = request.method.size() + request.target.size() + std::string("  HTTP/1.1\r\n\r\n").size();
        for (const auto &[name, value] : request.headers) {
            // The library's own, which tell its handlers of the connection.
            if (name.rfind("REMOTE_", 0) != 0 && name.rfind("LOCAL_", 0) != 0) {
                head += name.size() + value.size() + std::string(": \r\n").size();
            }
        }
        response.set_header("x-head", std::to_string(head));
        auto line = "served " + (models.empty() ? "nothing" : models) + " by " + read + " of " +
                    request.get_header_value("content-type");
        {
            std::lock_guard<std::mutex> lock(output);
            std::cout << line << std::endl;
        }
        response.set_content(line, "text/plain");
    };

    server.Get(".*", judge).Post(".*", judge);
    // As many requests on a connection as come.
    server.set_keep_alive_max_count(1000000);
    auto port = server.bind_to_any_port("127.0.0.1");
    std::cout << "listening on 127.0.0.1:" << port << std::endl;
    server.listen_after_bind();
}
