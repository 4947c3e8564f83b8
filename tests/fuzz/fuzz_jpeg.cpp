// Files that begin as JPEG files do: picture.h has the promises.

#include "picture.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    std::vector<std::uint8_t> file(data, data + size);
    constexpr std::uint8_t magic[] = {0xff, 0xd8, 0xff};
    if (file.size() < sizeof magic) return 0;
    std::ranges::copy(magic, file.begin());
    halmix::fuzz::require_decoded_or_refused(file.data(), file.size());
    return 0;
}
