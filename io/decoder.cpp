#include <algorithm>
#include <array>
#include <limits>
#include <string>

#include "codec.h"
#include "image_file.h"

namespace halmix::io {
namespace {

/// The scales at which libjpeg-turbo is quicker than at full resolution; it has others.
constexpr std::array scales{1, 2, 4};

std::string text_of(Size size) { return std::to_string(size.width) + " x " + std::to_string(size.height); }

void check_size(const Header& header, std::int64_t max_pixels, std::string_view name) {
    constexpr std::uint32_t max_side = 1'000'000;
    constexpr std::uint64_t max_bytes = std::numeric_limits<std::int32_t>::max();
    const std::uint64_t pixels = std::uint64_t{header.width} * header.height;
    const auto size = [&] {
        return "is " + std::to_string(header.width) + " x " + std::to_string(header.height) + " pixels";
    };
    if (header.width > max_side || header.height > max_side || pixels * header.channels > max_bytes) {
        throw Error(name,
                    size() + " of " + std::to_string(header.channels) + (header.channels == 1 ? " byte" : " bytes") +
                        ", more than 2^31 - 1 bytes or 1,000,000 pixels a side",
                    "scale it down or cut it up", Trouble::unsupported);
    }
    if (static_cast<std::int64_t>(pixels) > max_pixels) {
        throw Error(name, size() + ", more than the " + std::to_string(max_pixels) + " that are allowed",
                    "scale it down, or raise max_pixels (--max-pixels) if it is meant to be so large",
                    Trouble::unsupported);
    }
}

/// The fewest whole pixels that cover a window at a resolution of `eighths`.
Window scaled(const Window& window, int eighths) {
    const auto down = [&](int edge) { return static_cast<int>(std::int64_t{edge} * eighths / 8); };
    const auto up = [&](int edge) { return static_cast<int>((std::int64_t{edge} * eighths + 7) / 8); };
    const int left = down(window.left);
    const int top = down(window.top);
    return {left, top, up(window.left + window.width) - left, up(window.top + window.height) - top};
}

}  // namespace

Format detect(std::span<const std::uint8_t> bytes, std::string_view name) {
    struct Signature {
        Format format;
        std::string_view bytes;
    };
    constexpr std::array signatures{
        Signature{Format::jpeg, "\xff\xd8\xff"},
        Signature{Format::png, "\x89PNG\r\n\x1a\n"},
    };
    if (bytes.empty()) throw Error(name, "is empty", "use a JPEG or PNG file", Trouble::damaged);
    const std::string_view text(reinterpret_cast<const char*>(bytes.data()), bytes.size());
    const auto* const found =
        std::ranges::find_if(signatures, [&](const Signature& s) { return text.starts_with(s.bytes); });
    if (found == signatures.end()) {
        throw Error(name, "is not a JPEG or PNG image", "convert it to JPEG or PNG", Trouble::unsupported);
    }
    return found->format;
}

struct Decoder::State {
    std::unique_ptr<Reader> jpeg = jpeg_reader();
    std::unique_ptr<Reader> png = png_reader();

    Reader* reader = nullptr;  ///< that of the opened picture; null if there is none
    bool at_pixels = false;    ///< whether the reader has read the header and no more
    Source source;
    Acceptance accept;
    Size stored;
    int orientation = 1;

    Header read_header(Reader& from) {
        at_pixels = false;
        const Header header = with_memory(source.name, [&] { return from.open(source, accept); });
        at_pixels = true;
        return header;
    }

    void check(const Window& window) const {
        if (reader == nullptr) throw Error("picture", "is not open", "open one, and after an error the next one");
        const Size size = turned(stored, orientation);
        const auto inside = [](int first, int count, int size) {
            return first >= 0 && count >= 1 && count <= size && first <= size - count;
        };
        if (inside(window.left, window.width, size.width) && inside(window.top, window.height, size.height)) return;
        throw Error(source.name,
                    "is " + text_of(size) + " pixels; a window of " + text_of({window.width, window.height}) + " at " +
                        std::to_string(window.left) + ", " + std::to_string(window.top) + " is not inside",
                    "choose one that is");
    }
};

Decoder::Decoder() : state_(std::make_unique<State>()) {}
Decoder::~Decoder() = default;
Decoder::Decoder(Decoder&&) noexcept = default;
Decoder& Decoder::operator=(Decoder&&) noexcept = default;

Picture Decoder::open(std::span<const std::byte> bytes, std::string_view name, Orientation orientation,
                      const Acceptance& accept) {
    State& state = *state_;
    state.reader = nullptr;
    state.source = {{reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()}, name};
    state.accept = accept;
    Reader* const reader = (detect(state.source.bytes, name) == Format::jpeg ? state.jpeg : state.png).get();
    const Header header = state.read_header(*reader);
    check_size(header, accept.max_pixels, name);
    state.stored = {static_cast<int>(header.width), static_cast<int>(header.height)};
    state.orientation = orientation == Orientation::upright ? header.orientation : 1;
    state.reader = reader;
    const Size size = turned(state.stored, state.orientation);
    return {size.width, size.height, header.channels};
}

Trouble Decoder::trouble() const { return state_->reader != nullptr ? state_->reader->trouble() : Trouble::none; }

void Decoder::decode(const Window& window, MutableImageView out) {
    decode(window, {.eighths = 8, .width = window.width, .height = window.height}, out);
}

Reduction Decoder::reduction(const Window& window, int width, int height) const {
    const State& state = *state_;
    state.check(window);
    const auto enough = [&](int eighths) {
        const auto at_least = [&](int size, int wanted) {
            return std::int64_t{size} * eighths >= std::int64_t{wanted} * 8;
        };
        return at_least(window.width, width) && at_least(window.height, height);
    };
    Reduction result;
    if (state.reader->scales()) {
        const auto* const found = std::ranges::find_if(scales, enough);
        if (found != scales.end()) result.eighths = *found;
    }
    const int eighths = result.eighths;
    const Window stored = stored_window(window, state.stored, state.orientation);
    const Window decoded = scaled(stored, eighths);
    const Size size = turned({decoded.width, decoded.height}, state.orientation);
    result.width = size.width;
    result.height = size.height;
    // In eighths of a decoded pixel all edges are whole.
    const Window box = upright_window({stored.left * eighths - decoded.left * 8, stored.top * eighths - decoded.top * 8,
                                       stored.width * eighths, stored.height * eighths},
                                      {decoded.width * 8, decoded.height * 8}, state.orientation);
    result.left = box.left / 8.0;
    result.top = box.top / 8.0;
    result.right = (box.left + box.width) / 8.0;
    result.bottom = (box.top + box.height) / 8.0;
    return result;
}

void Decoder::decode(const Window& window, const Reduction& reduction, MutableImageView out) {
    State& state = *state_;
    state.check(window);
    const int eighths = reduction.eighths;
    if (eighths != 8 && !(state.reader->scales() && std::ranges::count(scales, eighths) == 1)) {
        throw Error(state.source.name, "cannot be decoded at " + std::to_string(eighths) + " eighths",
                    "use a reduction of this picture");
    }
    const Window decoded = scaled(stored_window(window, state.stored, state.orientation), eighths);
    const Size size = turned({decoded.width, decoded.height}, state.orientation);
    if (out.layout != Layout::u8_hwc || (out.channels != 1 && out.channels != 3) || out.width != size.width ||
        out.height != size.height || out.data == nullptr) {
        throw Error(state.source.name,
                    "gives " + text_of(size) + " pixels here; the view for them is " +
                        text_of({out.width, out.height}) + " with " + std::to_string(out.channels) + " channels",
                    "give one of that size, u8_hwc, with 1 or 3 channels");
    }
    if (!state.at_pixels) (void)state.read_header(*state.reader);
    state.at_pixels = false;
    with_memory(state.source.name, [&] { state.reader->decode(decoded, eighths, Rows(out, state.orientation)); });
}

}  // namespace halmix::io
