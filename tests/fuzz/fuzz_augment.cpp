// Batches of files, some of them damaged. An intact one's results are what the engine gives for the whole picture and
// its plan. Of a broken one there is one line, its results are not written to, and the others' do not depend on it.
// Without room for lines, it ends the batch.

#include "fuzz.h"
#include "halmix/augment.h"
#include "pictures.h"

using namespace halmix;

namespace {

constexpr int width = 30, height = 22;
constexpr std::uint8_t untouched = 99;

const std::vector<test::Bytes>& intact_files() {
    static const std::vector<test::Bytes> all = [] {
        std::vector<test::Bytes> made;
        for (const test::JpegKind& kind : test::jpeg_kinds()) {
            made.push_back(test::jpeg(test::picture(width, height, kind.channels), kind));
        }
        for (const test::PngKind& kind : test::png_kinds()) made.push_back(test::png(width, height, kind));
        for (const int orientation : {3, 6}) made.push_back(test::tagged(made.front(), orientation));
        return made;
    }();
    return all;
}

test::Bytes draw_file(FuzzedDataProvider& input) {
    const std::size_t which = input.ConsumeIntegralInRange<std::size_t>(0, intact_files().size() - 1);
    test::Bytes file = intact_files()[which];
    switch (input.ConsumeIntegralInRange(0, 3)) {
        case 0:
            file.resize(input.ConsumeIntegralInRange<std::size_t>(0, file.size()));
            break;
        case 1:
            for (int i = input.ConsumeIntegralInRange(1, 4); i > 0 && !file.empty(); --i) {
                const std::size_t at = input.ConsumeIntegralInRange<std::size_t>(0, file.size() - 1);
                file[at] = input.ConsumeIntegral<std::uint8_t>();
            }
            break;
        default:
            break;
    }
    return file;
}

struct Results {
    Results(const io::Recipe& recipe, int channels, Layout layout) {
        const int w = recipe.policy.crop ? recipe.policy.crop->width : width;
        const int h = recipe.policy.crop ? recipe.policy.crop->height : height;
        for (std::size_t i = 0; i < recipe.views.size(); ++i) {
            memory.emplace_back(image_bytes(layout, w, h, channels), untouched);
        }
        for (test::Bytes& one : memory) views.emplace_back(one.data(), w, h, channels, layout);
    }
    [[nodiscard]] bool are_untouched() const {
        return std::ranges::all_of(memory, [](const auto& one) {
            return std::ranges::all_of(one, [](auto byte) { return byte == untouched; });
        });
    }

    std::vector<test::Bytes> memory;
    std::vector<MutableImageView> views;
};

/// What the whole picture gives; false if it has none.
bool from_whole(const Engine& engine, const io::Recipe& recipe, const test::Bytes& file, Key key, Results& results) {
    const MutableImageView& first = results.views.front();
    io::Decoder decoder;
    try {
        const io::Picture picture = decoder.open(test::as_bytes(file), "", recipe.orientation, recipe.accept);
        if (!recipe.policy.crop && (picture.width != first.width || picture.height != first.height)) return false;
        test::Pixels whole(picture.width, picture.height, first.channels);
        decoder.decode({0, 0, picture.width, picture.height}, whole.view());
        for (std::size_t i = 0; i < recipe.views.size(); ++i) {
            Plan plan;
            key.view = static_cast<std::uint16_t>(std::max(recipe.views[i], 0));
            if (recipe.views[i] < 0) {
                sample_clean(recipe.policy, key, picture.width, picture.height, plan);
            } else {
                sample(recipe.policy, key, picture.width, picture.height, plan);
            }
            engine.run(plan, whole.view(), results.views[i]);
        }
    } catch (const io::Error&) {
        return false;
    }
    return true;
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    static io::Augmenter augmenter;  // its memory serves the next batch, and must not matter
    FuzzedDataProvider input(data, size);
    io::Recipe recipe{.views = {}, .accept = {.max_pixels = 1 << 16}};
    if (input.ConsumeBool()) {
        recipe.policy.crop =
            RandomResizedCrop{.width = fuzz::draw_side(input, 40), .height = fuzz::draw_side(input, 40)};
    }
    for (int i = input.ConsumeIntegralInRange(1, 3); i > 0; --i) {
        recipe.views.push_back(input.ConsumeIntegralInRange(-1, 3));
    }
    recipe.mode = input.ConsumeBool() ? io::Mode::fast : io::Mode::exact;
    recipe.orientation = input.ConsumeBool() ? io::Orientation::upright : io::Orientation::stored;
    recipe.accept.unsupported = input.ConsumeBool();
    recipe.accept.damaged = input.ConsumeBool();
    const int channels = input.ConsumeBool() ? 3 : 1;
    const Layout layout = input.PickValueInArray({Layout::u8_hwc, Layout::u8_chw, Layout::f32_chw});
    const Engine& engine = fuzz::engines()[input.ConsumeIntegralInRange<std::size_t>(0, fuzz::engines().size() - 1)];

    const int count = input.ConsumeIntegralInRange(1, 4);
    std::vector<test::Bytes> files;
    std::vector<Results> results;
    for (int i = 0; i < count; ++i) {
        files.push_back(draw_file(input));
        results.emplace_back(recipe, channels, layout);
    }
    std::vector<io::Sample> samples;
    for (int i = 0; i < count; ++i) {
        const Key key{.seed = input.ConsumeIntegral<std::uint8_t>(), .index = static_cast<std::uint64_t>(i)};
        samples.push_back({.bytes = test::as_bytes(files[i]), .name = "file", .key = key, .results = results[i].views});
    }
    std::vector<std::string> problems(count);
    augmenter.run(engine, recipe, samples, {}, problems);

    // A damaged part that no crop needs is not noticed, and at a lower resolution pixels are others.
    const bool exact = recipe.mode == io::Mode::exact || !recipe.policy.crop;
    for (int i = 0; i < count; ++i) {
        Results expected(recipe, channels, layout);
        const bool intact = from_whole(engine, recipe, files[i], samples[i].key, expected);
        fuzz::require(!intact || problems[i].empty(), "an intact file has results", problems[i]);
        fuzz::require(intact || !problems[i].empty() || recipe.policy.crop, "a broken file is told of");
        if (!problems[i].empty()) {
            fuzz::require_one_line(problems[i]);
            fuzz::require(problems[i].starts_with("file: "), "a problem is that of a file", problems[i]);
            fuzz::require(results[i].are_untouched(), "results of a broken file are not written to");
        } else if (intact && exact) {
            fuzz::require(results[i].memory == expected.memory, "results are those of the whole picture");
        }
    }

    const auto broken = std::ranges::find_if(problems, [](const std::string& line) { return !line.empty(); });
    try {
        augmenter.run(engine, recipe, samples);
        fuzz::require(broken == problems.end(), "a broken file ends a batch without problems");
    } catch (const io::Error& error) {
        fuzz::require(broken != problems.end() && *broken == error.what(), "an error is the first problem",
                      error.what());
    }
    return 0;
}
