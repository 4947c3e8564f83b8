// Many images through one process, for tests that compare with programs in other languages.
//
// A request is one line of JSON, {"width", "height", "channels", "target"} and either {"plan": a plan} or
// {"ops": [{"op", "value"}, ...], "fill": [r, g, b]}, and then the image: rows of interleaved channels, nothing between
// them. The reply is the line {"bytes": N} and N bytes of result, or the line {"error": message}. Ends with its input.

#include <halmix/halmix.h>

#include <cstdint>
#include <exception>
#include <iostream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace {

using nlohmann::json;

void compute(const json& request, const halmix::Engine& engine, halmix::ImageView in, halmix::MutableImageView out) {
    if (request.contains("plan")) {
        engine.run(halmix::plan_from_json(request.at("plan").dump()), in, out);
        return;
    }
    std::vector<halmix::OpCall> ops;
    for (const json& call : request.at("ops")) {
        ops.push_back({halmix::parse_op(call.at("op").get<std::string>()), call.value("value", 0.0)});
    }
    engine.apply(ops, request.at("fill").get<halmix::Fill>(), in, out);
}

}  // namespace

int main() {
    std::ios::sync_with_stdio(false);
    std::map<std::string, halmix::Engine> engines;
    std::vector<char> in, out;
    for (std::string line; std::getline(std::cin, line);) {
        const json request = json::parse(line);
        const int width = request.at("width");
        const int height = request.at("height");
        const int channels = request.at("channels");
        in.resize(std::size_t(width) * height * channels);
        out.resize(in.size());
        std::cin.read(in.data(), static_cast<std::streamsize>(in.size()));
        try {
            const std::string target = request.at("target");
            const halmix::Engine& engine = engines.try_emplace(target, target).first->second;
            compute(request, engine, {reinterpret_cast<const std::uint8_t*>(in.data()), width, height, channels},
                    {reinterpret_cast<std::uint8_t*>(out.data()), width, height, channels});
            std::cout << json{{"bytes", out.size()}} << '\n';
            std::cout.write(out.data(), static_cast<std::streamsize>(out.size()));
        } catch (const std::exception& error) {
            std::cout << json{{"error", error.what()}} << '\n';
        }
        std::cout.flush();
    }
}
