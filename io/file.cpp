#include "file.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <cerrno>
#include <cstddef>
#include <ctime>
#include <exception>
#include <string>
#include <utility>

namespace halmix::io {
namespace {

namespace fs = std::filesystem;

class Descriptor {
 public:
    explicit Descriptor(int value) : value_(value) {}
    ~Descriptor() {
        if (value_ >= 0) ::close(value_);
    }
    Descriptor(const Descriptor&) = delete;
    Descriptor& operator=(const Descriptor&) = delete;
    [[nodiscard]] int get() const { return value_; }

 private:
    int value_;
};

constexpr std::string_view temporary_start = ".halmix-";
constexpr std::string_view temporary_end = ".tmp";

/// A name that no other process or thread uses at the same time; a leftover of a killed process is found by O_EXCL.
fs::path temporary_name() {
    static std::atomic<unsigned> counter{0};
    return std::string(temporary_start) + std::to_string(::getpid()) + "-" + std::to_string(counter++) +
           std::string(temporary_end);
}

}  // namespace

std::vector<std::uint8_t> read_bytes(const fs::path& path, std::size_t max_size,
                                     const std::function<void(std::span<const std::uint8_t>)>& accept) {
    constexpr std::string_view problem = "cannot be read";
    const auto check_size = [&](std::size_t size) {
        if (size > max_size) {
            throw Error(path, "has more than " + std::to_string(max_size) + " bytes", "use a smaller file");
        }
    };

    const Descriptor file(::open(path.c_str(), O_RDONLY | O_CLOEXEC));
    struct stat status {};
    if (file.get() < 0 || ::fstat(file.get(), &status) != 0) throw Error::system(path, problem, errno);
    if (S_ISREG(status.st_mode)) check_size(static_cast<std::size_t>(status.st_size));

    std::vector<std::uint8_t> bytes;
    std::size_t chunk = 16;
    for (;;) {
        const std::size_t size = bytes.size();
        bytes.resize(size + chunk);
        const ssize_t count = ::read(file.get(), bytes.data() + size, chunk);
        if (count < 0) throw Error::system(path, problem, errno);
        bytes.resize(size + static_cast<std::size_t>(count));
        check_size(bytes.size());
        if (size == 0 && accept) accept(bytes);
        if (count == 0) return bytes;
        // The whole rest of a file at once, and one byte more, to see its end; a pipe in larger and larger pieces.
        const std::size_t rest =
            static_cast<std::size_t>(status.st_size) - std::min<std::size_t>(bytes.size(), status.st_size);
        chunk = std::max<std::size_t>(rest + 1, 1 << 16);
    }
}

AtomicFile::AtomicFile(const fs::path& path) : path_(path), target_(path) {
    constexpr std::string_view problem = "cannot be written";
    struct stat status {};
    const bool exists = ::stat(path.c_str(), &status) == 0;
    if (!exists && errno == ELOOP) throw Error::system(path_, problem, ELOOP);
    if (exists && S_ISDIR(status.st_mode)) throw Error::system(path_, problem, EISDIR);
    if (exists && !S_ISREG(status.st_mode)) {
        descriptor_ = ::open(path.c_str(), O_WRONLY | O_CLOEXEC);
        if (descriptor_ < 0) throw Error::system(path_, problem, errno);
        return;
    }
    std::error_code ignored;
    if (exists) {
        if (::access(path.c_str(), W_OK) != 0) throw Error::system(path_, problem, errno);
        if (fs::path resolved = fs::canonical(path, ignored); !resolved.empty()) target_ = std::move(resolved);
    } else {
        // Links to what is not there yet.
        while (fs::is_symlink(target_, ignored)) target_ = target_.parent_path() / fs::read_symlink(target_, ignored);
    }
    do {
        temporary_ = target_.parent_path() / temporary_name();
        descriptor_ = ::open(temporary_.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, exists ? 0600 : 0666);
    } while (descriptor_ < 0 && errno == EEXIST);
    if (descriptor_ < 0) {
        temporary_.clear();
        throw Error::system(path_, problem, errno);
    }
    (void)!::flock(descriptor_, LOCK_EX | LOCK_NB);  // where there are no locks, its age protects it
    // Without the bits that let others act as the owner, who may be another one now. Not every file system has modes,
    // so this can fail; then only the owner may read the result.
    if (exists) (void)!::fchmod(descriptor_, status.st_mode & 0777);
}

AtomicFile::~AtomicFile() {
    if (descriptor_ >= 0) ::close(descriptor_);
    if (!temporary_.empty()) ::unlink(temporary_.c_str());
}

void AtomicFile::write(std::span<const std::uint8_t> bytes) {
    while (!bytes.empty()) {
        const ssize_t count = ::write(descriptor_, bytes.data(), bytes.size());
        if (count < 0) throw Error::system(path_, "cannot be written", errno);
        bytes = bytes.subspan(static_cast<std::size_t>(count));
    }
}

void AtomicFile::write(std::string_view text) {
    write(std::span(reinterpret_cast<const std::uint8_t*>(text.data()), text.size()));
}

void AtomicFile::commit() {
    if (temporary_.empty()) return;
    if (::fsync(descriptor_) != 0 || ::rename(temporary_.c_str(), target_.c_str()) != 0) {
        throw Error::system(path_, "cannot be written", errno);
    }
    temporary_.clear();
}

void remove_leftovers(const fs::path& folder) noexcept try {
    constexpr std::time_t oldest = 60;  // seconds
    std::error_code error;
    for (fs::directory_iterator it(folder, error), end; !error && it != end; it.increment(error)) {
        const std::string name = it->path().filename().string();
        if (!name.starts_with(temporary_start) || !name.ends_with(temporary_end)) continue;
        const Descriptor file(::open(it->path().c_str(), O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK));
        struct stat status {};
        if (file.get() < 0 || ::fstat(file.get(), &status) != 0 || !S_ISREG(status.st_mode)) continue;
        if (status.st_mtime > std::time(nullptr) - oldest || ::flock(file.get(), LOCK_EX | LOCK_NB) != 0) continue;
        ::unlink(it->path().c_str());
    }
} catch (const std::exception&) {
    // What cannot be looked at stays.
}

}  // namespace halmix::io
