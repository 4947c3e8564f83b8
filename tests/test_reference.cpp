// The oracle in reference/ against data that the real Pillow and the real Composer made: golden/golden.json and
// golden/resized_crops.json, written and described by scripts/make_golden and scripts/make_crop_golden.
// HALMIX_TEST_DATA is the folder they lie in.

#include <zlib.h>

#include <array>
#include <cstdint>
#include <fstream>
#include <map>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "catch.h"
#include "contents.h"
#include "reference/reference.h"

namespace {

using halmix::Fill;
using halmix::OpCall;
using halmix::reference::Content;
using halmix::reference::Image;
using nlohmann::json;

const json& golden() {
    static const json data = json::parse(std::ifstream(HALMIX_TEST_DATA "/golden.json"));
    return data;
}

/// CRC-32 of everything added, in the golden data's notation.
class Crc {
 public:
    void add(const void* bytes, std::size_t size) {
        value_ = crc32_z(value_, static_cast<const unsigned char*>(bytes), size);
    }
    void add(const Image& image) { add(image.pixels.data(), image.pixels.size()); }

    [[nodiscard]] std::string text() const {
        std::string digits(8, '0');
        for (int i = 0; i < 8; ++i) digits[i] = "0123456789abcdef"[value_ >> (28 - 4 * i) & 15];
        return digits;
    }

 private:
    std::uint32_t value_ = 0;
};

std::string crc(const Image& image) {
    Crc sum;
    sum.add(image);
    return sum.text();
}

/// The image described by the members of a row.
Image input(const json& row) {
    return make(halmix::reference::parse_content(row.at("content").get<std::string>()), row.at("width"),
                row.at("height"), row.at("channels"), row.at("seed"));
}

Image apply_row(const json& row, const Image& in) {
    const OpCall call{halmix::parse_op(row.at("op").get<std::string>()), row.value("value", 0.0)};
    return halmix::reference::apply(call, row.at("fill").get<Fill>(), in);
}

/// Checks `expected`, the CRC-32s of function(image) over a group, and returns how many images it compared.
template <typename F>
int check_group(const std::string& name, const std::string& expected, F function) {
    const json& group = golden().at("groups").at(name);
    int images = 0;
    std::size_t place = 0;
    for (const json& size : group.at("sizes")) {
        for (const int channels : group.at("channels")) {
            const int width = size.at(0);
            const int height = size.at(1);
            Crc sum;
            for (const json& content : group.at("contents")) {
                const Content named = halmix::reference::parse_content(content.get<std::string>());
                sum.add(function(make(named, width, height, channels, golden().at("seed"))));
                ++images;
            }
            INFO(width << "x" << height << "x" << channels);
            CHECK(sum.text() == expected.substr(place, 8));
            place += 8;
        }
    }
    CHECK(place == expected.size());
    return images;
}

}  // namespace

TEST_CASE("the inputs are those of the golden data", "[golden]") {
    int images = 0;
    for (const auto& [group, expected] : golden().at("inputs").items()) {
        images += check_group(group, expected, [](const Image& in) { return in; });
    }
    CHECK(images >= 177);
}

TEST_CASE("every op equals Pillow", "[golden]") {
    std::map<halmix::Op, int> images;
    for (const json& row : golden().at("ops")) {
        const halmix::Op op = halmix::parse_op(row.at("op").get<std::string>());
        INFO(row.dump());
        images[op] +=
            check_group(row.at("group"), row.at("crc32"), [&](const Image& in) { return apply_row(row, in); });
    }
    for (const halmix::OpInfo& info : halmix::ops()) {
        INFO(info.name);
        CHECK(images[info.op] >= (info.type == halmix::ValueType::none ? 176 : 1440));
    }
}

TEST_CASE("whole pictures equal Pillow's", "[golden]") {
    std::size_t pictures = 0;
    for (const json& row : golden().at("pictures")) {
        const Image out = apply_row(row, input(row));
        std::vector<std::uint8_t> expected;
        const std::string hex = row.at("pixels");
        for (std::size_t i = 0; i < hex.size(); i += 2) {
            expected.push_back(static_cast<std::uint8_t>(std::stoi(hex.substr(i, 2), nullptr, 16)));
        }
        INFO(row.dump());
        CHECK(out.pixels == expected);
        ++pictures;
    }
    CHECK(pictures >= 15);
}

TEST_CASE("blend equals Pillow for all pairs of levels", "[golden]") {
    int factors = 0;
    for (const json& row : golden().at("blend")) {
        const double factor = row.at("value");
        const Image all = halmix::reference::generate(
            256, 256, 1, [&](int x, int y, int) { return halmix::reference::blend(x, y, factor); });
        INFO(factor);
        CHECK(crc(all) == row.at("crc32").get<std::string>());
        ++factors;
    }
    CHECK(factors >= 90);
}

TEST_CASE("all autocontrast tables equal Pillow's", "[golden]") {
    const std::string expected = golden().at("autocontrast");
    int pairs = 0;
    int highest_is_254 = 0;
    for (int lo = 0; lo < 255; ++lo) {
        Crc sum;
        for (int hi = lo + 1; hi < 256; ++hi) {
            const halmix::reference::Table table = halmix::reference::autocontrast_table(lo, hi);
            sum.add(&table[lo], hi - lo + 1);
            highest_is_254 += table[hi] == 254;
            ++pairs;
        }
        INFO("lo = " << lo);
        CHECK(sum.text() == expected.substr(8 * static_cast<std::size_t>(lo), 8));
    }
    CHECK(pairs == 32640);
    CHECK(highest_is_254 == 4852);
}

TEST_CASE("rotation matrices equal Pillow's to the last bit", "[golden]") {
    int matrices = 0;
    for (const json& row : golden().at("rotation")) {
        const double degrees = halmix::reference::reduced_degrees(row.at("value"));
        const halmix::reference::Matrix matrix =
            halmix::reference::rotation_matrix(degrees, row.at("width"), row.at("height"));
        Crc sum;
        sum.add(matrix.data(), sizeof matrix);
        INFO(row.dump());
        CHECK(sum.text() == row.at("crc32").get<std::string>());
        ++matrices;
    }
    CHECK(matrices >= 1440);
}

TEST_CASE("recorded plans equal Composer", "[golden]") {
    int plans = 0;
    for (const json& row : golden().at("plans")) {
        const halmix::Plan plan = halmix::plan_from_json(row.at("plan").dump());
        INFO(row.dump());
        CHECK(crc(halmix::reference::run(plan, input(row))) == row.at("crc32").get<std::string>());
        ++plans;
    }
    CHECK(plans >= 120);
}

TEST_CASE("resized crops equal Pillow's, in both orders of passes", "[golden]") {
    const json data = json::parse(std::ifstream(HALMIX_TEST_DATA "/resized_crops.json"));
    std::map<std::string, int> cases;
    int orders_differ = 0;
    for (std::size_t i = 0; const json& row : data.at("cases")) {
        json plan = json::parse(R"({"version": 2, "mix": 0, "chains": [{"weight": 1, "ops": []}]})");
        plan["width"] = row.at("to").at(0);
        plan["height"] = row.at("to").at(1);
        plan["resized_crop"] = row.at("resized_crop");
        std::map<std::string, int> sums;
        for (const auto& [order, made] : data.at("orders").items()) {
            plan["resized_crop"]["order"] = order;
            INFO(plan.dump());
            const std::string expected = made.at("crc32").get<std::string>().substr(8 * i, 8);
            CHECK(crc(halmix::reference::run(halmix::plan_from_json(plan.dump()), input(row))) == expected);
            ++sums[expected];
            ++cases[order];
        }
        orders_differ += sums.size() > 1;
        ++i;
    }
    CHECK(cases["pillow_13"] >= 350);
    CHECK(cases["horizontal_first"] == cases["pillow_13"]);
    CHECK(orders_differ >= 40);
}
