#include "error.h"

#include <algorithm>
#include <array>
#include <cerrno>
#include <system_error>

namespace halmix::io {
namespace {

struct Remedy {
    int error_number;
    std::string_view text;
};

constexpr std::array remedies{
    Remedy{ENOENT, "check the path"},
    Remedy{ENOTDIR, "check the path"},
    Remedy{EISDIR, "name a file, not a folder"},
    Remedy{EACCES, "change the permissions of the file or its folder"},
    Remedy{EPERM, "change the permissions of the file or its folder"},
    Remedy{EROFS, "write to another folder"},
    Remedy{ENAMETOOLONG, "use a shorter name"},
    Remedy{ENOSPC, "free some space or write to another disk"},
    Remedy{EDQUOT, "free some space or write to another disk"},
    Remedy{EFBIG, "raise the limit of the file size or write to another disk"},
    Remedy{EBADF, "do not close it"},
    Remedy{ELOOP, "replace the symbolic link, which leads to itself"},
    Remedy{EPIPE, "let its reader read all of it"},
    Remedy{EMFILE, "use fewer threads or raise the limit of open files"},
};

std::string_view remedy(int error_number) {
    const auto* const found = std::ranges::find(remedies, error_number, &Remedy::error_number);
    return found != remedies.end() ? found->text : "check the file and the disk it is on";
}

}  // namespace

std::string printable(const std::filesystem::path& path) {
    std::string text = path.string();
    std::ranges::replace_if(
        text, [](unsigned char c) { return c < 0x20 || c == 0x7f; }, '?');
    return text;
}

Error::Error(const std::filesystem::path& name, std::string_view problem, std::string_view remedy, Trouble trouble)
    : std::runtime_error(printable(name).append(": ").append(problem).append("; ").append(remedy)), trouble_(trouble) {}

Error Error::system(const std::filesystem::path& path, std::string_view problem, int error_number) {
    const std::string reason = std::generic_category().message(error_number);
    return {path, std::string(problem).append(": ").append(reason), remedy(error_number)};
}

}  // namespace halmix::io
