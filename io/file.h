#pragma once

#include <cstdint>
#include <filesystem>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "error.h"

namespace halmix::io {

/// A file's bytes. `accept` is shown the first up to 16 of them and may throw before the rest is read. Devices and
/// pipes are read to their end. Throws Error, also for more than `max_size` bytes, of which no more are then read.
[[nodiscard]] std::vector<std::uint8_t> read_bytes(
    const std::filesystem::path& path, std::size_t max_size,
    const std::function<void(std::span<const std::uint8_t>)>& accept = {});

/// Replaces a file in one step: who reads it sees the old content or the new one, never a part, whatever happens in
/// between. What is written goes to a temporary file `.halmix-*.tmp` in the same folder, which `commit` flushes to the
/// disk and renames, and which the destructor removes if there was no commit; only a killed process can leave it, until
/// `remove_leftovers`. It is locked (flock) as long as it is written.
///
/// A replaced file keeps its permissions, though not the set-user-ID, set-group-ID and sticky bits, and one that may
/// not be written is not replaced; a new file's permissions follow the umask. A symbolic link stays, its target is
/// replaced, or made. A path that exists and is neither a file nor a folder, such as /dev/stdout or a named pipe, is
/// written to directly. Every member throws Error.
class AtomicFile {
 public:
    explicit AtomicFile(const std::filesystem::path& path);
    ~AtomicFile();
    AtomicFile(const AtomicFile&) = delete;
    AtomicFile& operator=(const AtomicFile&) = delete;

    void write(std::span<const std::uint8_t> bytes);
    void write(std::string_view text);
    void commit();

 private:
    std::filesystem::path path_;       ///< as given, for messages
    std::filesystem::path target_;     ///< what is replaced: `path_` with a symbolic link resolved
    std::filesystem::path temporary_;  ///< empty if written to directly, and after the commit
    int descriptor_ = -1;
};

/// Removes the temporary files of AtomicFiles whose process was killed: those that nobody has locked and that are
/// older than a minute, which a file is not between its making and its lock. What cannot be removed stays.
void remove_leftovers(const std::filesystem::path& folder) noexcept;

}  // namespace halmix::io
