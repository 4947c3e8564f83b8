// JPEG and PNG files in and out. Decoding is compared with Pillow's, and bad files are listed, in cli/test_cli.py.

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "catch.h"
#include "io/file.h"
#include "io/image_file.h"

namespace {

namespace fs = std::filesystem;
using namespace halmix;
using Bytes = std::vector<std::uint8_t>;

/// What the last file whose mode was set had before.
mode_t mode_before_fchmod = 0;

}  // namespace

// In place of the C library's.
extern "C" int fchmod(int file, mode_t mode) noexcept {
    struct stat status {};
    if (::fstat(file, &status) == 0) mode_before_fchmod = status.st_mode & 07777;
    return static_cast<int>(::syscall(SYS_fchmod, file, mode));
}

namespace {

/// HALMIX_TEST_SEED replays a failure.
unsigned seed() {
    const char* text = std::getenv("HALMIX_TEST_SEED");
    return text != nullptr ? static_cast<unsigned>(std::strtoul(text, nullptr, 10)) : 1;
}

/// A folder that is gone with the test.
class Folder {
 public:
    Folder() {
        std::string pattern = (fs::temp_directory_path() / "halmix_test_io_XXXXXX").string();
        path_ = ::mkdtemp(pattern.data());
    }
    ~Folder() { fs::remove_all(path_); }
    Folder(const Folder&) = delete;
    Folder& operator=(const Folder&) = delete;

    fs::path operator/(const std::string& name) const { return path_ / name; }
    [[nodiscard]] std::vector<std::string> names() const {
        std::vector<std::string> names;
        for (const auto& entry : fs::directory_iterator(path_)) names.push_back(entry.path().filename());
        std::ranges::sort(names);
        return names;
    }

 private:
    fs::path path_;
};

Bytes bytes_of(const fs::path& path) {
    std::ifstream file(path, std::ios::binary);
    return {std::istreambuf_iterator<char>(file), {}};
}

void put(const fs::path& path, const Bytes& bytes) {
    std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), std::ssize(bytes));
}

io::Image noise(int width, int height, int channels, unsigned number = 0) {
    io::Image image{width, height, channels, {}};
    std::mt19937 random(seed() + number);
    image.pixels.resize(static_cast<std::size_t>(width) * height * channels);
    std::ranges::generate(image.pixels, [&] { return static_cast<std::uint8_t>(random()); });
    return image;
}

void require_equal(const io::Image& a, const io::Image& b) {
    REQUIRE(a.width == b.width);
    REQUIRE(a.height == b.height);
    REQUIRE(a.channels == b.channels);
    REQUIRE(a.pixels == b.pixels);
}

/// Makes the checksums of a damaged PNG right again, so that the damage gets further than to their check.
void repair_checksums(Bytes& png) {
    std::size_t at = 8;
    while (at + 12 <= png.size()) {
        const std::size_t size = std::size_t{png[at]} << 24 | png[at + 1] << 16 | png[at + 2] << 8 | png[at + 3];
        if (size > png.size() - at - 12) return;
        std::uint32_t crc = 0xffffffff;
        for (std::size_t i = at + 4; i < at + 8 + size; ++i) {
            crc ^= png[i];
            for (int bit = 0; bit < 8; ++bit) crc = crc >> 1 ^ (crc & 1 ? 0xedb88320 : 0);
        }
        at += 12 + size;
        for (std::size_t i = 1; i <= 4; ++i) png[at - i] = static_cast<std::uint8_t>(~crc >> 8 * (i - 1));
    }
}

/// What the error says, after checking that it is one line that starts with the path.
std::string message_of(const auto& call, const fs::path& path) {
    try {
        call();
    } catch (const io::Error& error) {
        const std::string line = error.what();
        CHECK(line.starts_with(path.string() + ": "));
        CHECK(line.find('\n') == std::string::npos);
        CHECK(line.find("; ") != std::string::npos);
        return line;
    }
    FAIL("no error for " << path);
    return {};
}

Bytes exif_segment(int orientation) {
    return {0xff, 0xe1, 0,    34,   'E',  'x',  'i', 'f', 0, 0,
            'M',  'M',  0,    42,   0,    0,    0,   8,   0, 1,
            0x01, 0x12, 0x00, 0x03, 0x00, 0x00, 0,   1,   0, static_cast<std::uint8_t>(orientation),
            0,    0,    0,    0,    0,    0};
}

const std::array sizes{std::pair{1, 1}, std::pair{1, 9}, std::pair{9, 1}, std::pair{17, 33}, std::pair{320, 200}};

}  // namespace

TEST_CASE("PNG keeps every byte", "[io]") {
    for (const auto& [width, height] : sizes) {
        for (const int channels : {1, 3}) {
            const io::Image image = noise(width, height, channels);
            require_equal(io::decode(io::encode(image.view(), io::Format::png, 95, "a"), "a"), image);
        }
    }
}

TEST_CASE("JPEG of high quality stays near the picture", "[io]") {
    for (const auto& [width, height] : sizes) {
        for (const int channels : {1, 3}) {
            // A slope: JPEG keeps it within a few levels.
            io::Image image = noise(width, height, channels);
            for (std::size_t i = 0; i < image.pixels.size(); ++i) {
                image.pixels[i] =
                    static_cast<std::uint8_t>(i / static_cast<std::size_t>(channels) % width * 200 / width);
            }
            const io::Image result = io::decode(io::encode(image.view(), io::Format::jpeg, 100, "a"), "a");
            REQUIRE(result.width == width);
            REQUIRE(result.height == height);
            REQUIRE(result.channels == channels);
            int largest = 0;
            for (std::size_t i = 0; i < image.pixels.size(); ++i) {
                largest = std::max(largest, std::abs(image.pixels[i] - result.pixels[i]));
            }
            CHECK(largest <= 4);  // the format is lossy; this is what quality 100 gives for such a slope
        }
    }
}

TEST_CASE("any stride can be written", "[io]") {
    const io::Image image = noise(20, 10, 3);
    const ImageView bottom_up(image.pixels.data() + std::size_t{9} * 60, 20, 10, 3, -60);
    const io::Image flipped = io::decode(io::encode(bottom_up, io::Format::png, 95, "a"), "a");
    for (int y = 0; y < 10; ++y)
        CHECK(std::equal(flipped.view().row(y), flipped.view().row(y) + 60, image.view().row(9 - y)));

    const ImageView part(image.pixels.data() + 3 * 4, 7, 10, 3, 60);
    const io::Image cut = io::decode(io::encode(part, io::Format::png, 95, "a"), "a");
    for (int y = 0; y < 10; ++y) CHECK(std::equal(cut.view().row(y), cut.view().row(y) + 21, part.row(y)));
}

TEST_CASE("orientation turns the picture upright", "[io]") {
    // Where the upright pixel (x, y) lies in the stored picture of w x h, by the definition of EXIF 2.3, tag 274.
    using Where = std::pair<int, int> (*)(int x, int y, int w, int h);
    const std::array<Where, 8> stored{
        [](int x, int y, int, int) { return std::pair(x, y); },
        [](int x, int y, int w, int) { return std::pair(w - 1 - x, y); },
        [](int x, int y, int w, int h) { return std::pair(w - 1 - x, h - 1 - y); },
        [](int x, int y, int, int h) { return std::pair(x, h - 1 - y); },
        [](int x, int y, int, int) { return std::pair(y, x); },
        [](int x, int y, int, int h) { return std::pair(y, h - 1 - x); },
        [](int x, int y, int w, int h) { return std::pair(w - 1 - y, h - 1 - x); },
        [](int x, int y, int w, int) { return std::pair(w - 1 - y, x); },
    };
    for (const auto& [width, height] : sizes) {
        for (const int channels : {1, 3}) {
            const Bytes plain = io::encode(noise(width, height, channels).view(), io::Format::jpeg, 90, "a");
            const io::Image image = io::decode(plain, "a");
            for (int orientation = 1; orientation <= 8; ++orientation) {
                CAPTURE(width, height, channels, orientation);
                Bytes tagged = plain;
                const Bytes segment = exif_segment(orientation);
                tagged.insert(tagged.begin() + 2, segment.begin(), segment.end());
                const io::Image upright = io::decode(tagged, "a");
                REQUIRE(upright.width == (orientation < 5 ? width : height));
                REQUIRE(upright.height == (orientation < 5 ? height : width));
                int wrong = 0;
                for (int y = 0; y < upright.height; ++y) {
                    for (int x = 0; x < upright.width; ++x) {
                        const auto [column, row] = stored.at(orientation - 1)(x, y, width, height);
                        const std::uint8_t* expected = image.view().row(row) + column * channels;
                        wrong += !std::equal(expected, expected + channels, upright.view().row(y) + x * channels);
                    }
                }
                CHECK(wrong == 0);
            }
        }
    }
}

TEST_CASE("an EXIF block that says nothing usable is ignored", "[io]") {
    const Bytes plain = io::encode(noise(9, 5, 3).view(), io::Format::jpeg, 90, "a");
    const Bytes segment = exif_segment(6);
    for (std::size_t size = 4; size < segment.size(); ++size) {
        Bytes tagged = plain;
        Bytes part(segment.begin(), segment.begin() + static_cast<std::ptrdiff_t>(size));
        part[3] = static_cast<std::uint8_t>(size - 2);
        tagged.insert(tagged.begin() + 2, part.begin(), part.end());
        const io::Image image = io::decode(tagged, "a");
        CHECK((image.width == 9 || size >= 30));  // from here on the orientation is complete
    }
}

TEST_CASE("the name says the format", "[io]") {
    CHECK(io::format_of("a.jpg") == io::Format::jpeg);
    CHECK(io::format_of("b/a.x.JPEG") == io::Format::jpeg);
    CHECK(io::format_of("a.Png") == io::Format::png);
    for (const char* name : {"a", "a.gif", "jpg", ".jpg", "a.png/b", "a.png "}) CHECK(!io::format_of(name));
}

TEST_CASE("files that are not images", "[io]") {
    const Folder folder;
    CHECK(message_of([&] { (void)io::read(folder / "no"); }, folder / "no").find("No such file") != std::string::npos);
    CHECK(message_of([&] { (void)io::read(folder / "."); }, folder / ".").find("Is a directory") != std::string::npos);
    put(folder / "empty", {});
    CHECK(message_of([&] { (void)io::read(folder / "empty"); }, folder / "empty").find("is empty") !=
          std::string::npos);
    CHECK(message_of([] { (void)io::read("/dev/zero"); }, "/dev/zero").find("is not a JPEG or PNG") !=
          std::string::npos);
    const fs::path large = folder / "large.jpg";
    put(large, {0xff, 0xd8, 0xff});
    fs::resize_file(large, std::uintmax_t{1} << 31);
    CHECK(message_of([&] { (void)io::read(large); }, large).find("has more than 2147483647 bytes") !=
          std::string::npos);
}

TEST_CASE("an image too large for JPEG", "[io]") {
    const io::Image image = noise(65501, 1, 1);
    CHECK(message_of([&] { (void)io::encode(image.view(), io::Format::jpeg, 95, "a.jpg"); }, "a.jpg").find("65500") !=
          std::string::npos);
    require_equal(io::decode(io::encode(image.view(), io::Format::png, 95, "a"), "a"), image);
}

TEST_CASE("a file is replaced whole or not at all", "[io]") {
    const Folder folder;
    const fs::path path = folder / "result.png";
    const io::Image first = noise(8, 8, 3, 1);
    const io::Image second = noise(9, 9, 1, 2);
    io::write(path, first.view(), io::Format::png);
    require_equal(io::read(path), first);
    io::write(path, second.view(), io::Format::png);
    require_equal(io::read(path), second);
    CHECK(folder.names() == std::vector<std::string>{"result.png"});

    SECTION("without commit nothing changes") {
        {
            io::AtomicFile file(path);
            file.write("part of it");
            CHECK(folder.names().size() == 2);
            require_equal(io::read(path), second);
        }
        CHECK(folder.names() == std::vector<std::string>{"result.png"});
        require_equal(io::read(path), second);
    }
    SECTION("a leftover of a killed process with our number is stepped over") {
        const auto leftover = [&](int i) {
            return ".halmix-" + std::to_string(::getpid()) + "-" + std::to_string(i) + ".tmp";
        };
        for (int i = 0; i < 200; ++i) put(folder / leftover(i), {1});
        io::write(path, first.view(), io::Format::png);
        require_equal(io::read(path), first);
        for (int i = 0; i < 200; ++i) CHECK(bytes_of(folder / leftover(i)) == Bytes{1});
    }
    SECTION("permissions") {
        const auto mode = [](const fs::path& file) {
            struct stat status {};
            CHECK(::stat(file.c_str(), &status) == 0);
            return status.st_mode & 07777;
        };
        for (const mode_t kept : {0604, 0600, 0666, 0777}) {
            CHECK(::chmod(path.c_str(), kept) == 0);
            io::write(path, first.view(), io::Format::png);
            CHECK(mode(path) == kept);
            CHECK(mode_before_fchmod == 0600);  // nobody else could have opened it before
        }
        // Who runs this may not be the owner before, and the bytes are not those that were trusted.
        CHECK(::chmod(path.c_str(), 07755) == 0);
        CHECK(mode(path) == 07755);
        io::write(path, first.view(), io::Format::png);
        CHECK(mode(path) == 0755);
        using Modes = std::pair<mode_t, mode_t>;
        for (const auto& [mask, expected] : {Modes{0027, 0640}, Modes{0077, 0600}, Modes{0, 0666}}) {
            const mode_t umask = ::umask(mask);
            fs::remove(folder / "new.png");
            io::write(folder / "new.png", first.view(), io::Format::png);
            ::umask(umask);
            CHECK(mode(folder / "new.png") == expected);
        }
    }
    SECTION("a link stays") {
        fs::create_directory(folder / "below");
        fs::create_symlink("../result.png", folder / "below/link.png");
        io::write(folder / "below/link.png", first.view(), io::Format::png);
        CHECK(fs::is_symlink(folder / "below/link.png"));
        require_equal(io::read(path), first);
    }
    SECTION("a full disk, a folder, a missing folder") {
        const auto write = [&](const fs::path& to) {
            return message_of([&] { io::write(to, first.view(), io::Format::png); }, to);
        };
        CHECK(write("/dev/full").find("No space left") != std::string::npos);
        CHECK(write(folder / ".").find("Is a directory") != std::string::npos);
        CHECK(write(folder / "no/a.png").find("No such file") != std::string::npos);
        CHECK(write(folder / "result.png/a.png").find("Not a directory") != std::string::npos);
        CHECK(folder.names() == std::vector<std::string>{"result.png"});
    }
    SECTION("many threads on one file") {
        std::vector<std::jthread> threads;
        for (const io::Image* image : {&first, &second, &first, &second}) {
            threads.emplace_back([&, image] {
                for (int i = 0; i < 50; ++i) io::write(path, image->view(), io::Format::png);
            });
        }
        for (int i = 0; i < 200; ++i) {
            const io::Image seen = io::read(path);
            REQUIRE((seen.pixels == first.pixels || seen.pixels == second.pixels));
        }
        threads.clear();
        CHECK(folder.names() == std::vector<std::string>{"result.png"});
    }
}

TEST_CASE("no bytes crash the decoders", "[io]") {
    INFO("HALMIX_TEST_SEED=" << seed());
    std::mt19937 random(seed());
    const auto below = [&](std::size_t n) { return random() % n; };

    std::vector<Bytes> valid;
    for (const int channels : {1, 3}) {
        const io::Image image = noise(37, 23, channels);
        valid.push_back(io::encode(image.view(), io::Format::png, 95, "a"));
        for (const int quality : {20, 95}) {
            valid.push_back(io::encode(image.view(), io::Format::jpeg, quality, "a"));
            const Bytes segment = exif_segment(6);
            valid.back().insert(valid.back().begin() + 2, segment.begin(), segment.end());
        }
    }
    // The bytes that say sizes, samplings and counts lie in the first few hundred.
    int decoded = 0;
    int refused = 0;
    constexpr int rounds = 20000;
    for (int round = 0; round < rounds; ++round) {
        Bytes bytes = valid[below(valid.size())];
        const std::size_t reach = below(2) == 0 ? std::min<std::size_t>(bytes.size(), 700) : bytes.size();
        for (std::size_t change = below(6); change != std::size_t(-1); --change) {
            const std::size_t at = below(std::min(reach, bytes.size()));
            switch (below(6)) {
                case 0:
                    bytes[at] ^= static_cast<std::uint8_t>(1u << below(8));
                    break;
                case 1:
                    bytes[at] = static_cast<std::uint8_t>(random());
                    break;
                case 2:
                    bytes[at] = below(2) == 0 ? 0x00 : 0xff;
                    break;
                case 3:
                    bytes.resize(at + 1);
                    break;
                case 4:
                    bytes.erase(bytes.begin() + static_cast<std::ptrdiff_t>(at));
                    break;
                default: {  // a piece of another file, or of this one
                    const Bytes& other = valid[below(valid.size())];
                    const std::size_t from = below(other.size());
                    const std::size_t count = std::min(below(64), std::min(other.size() - from, bytes.size() - at));
                    std::copy_n(other.begin() + static_cast<std::ptrdiff_t>(from), count,
                                bytes.begin() + static_cast<std::ptrdiff_t>(at));
                }
            }
            if (bytes.empty()) break;
        }
        if (below(4) != 0 && bytes.size() > 1 && bytes[1] == 'P') repair_checksums(bytes);
        try {
            const io::Image image = io::decode(bytes, "a");
            REQUIRE(image.pixels.size() == static_cast<std::size_t>(image.width) * image.height * image.channels);
            ++decoded;
        } catch (const io::Error& error) {
            REQUIRE(std::string(error.what()).find('\n') == std::string::npos);
            ++refused;
        }
    }
    CHECK(decoded > rounds / 100);
    CHECK(refused > rounds / 10);
}
