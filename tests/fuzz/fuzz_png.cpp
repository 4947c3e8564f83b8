// Files that begin as PNG files do: picture.h has the promises. Mutations get sizes and checksums of chunks right, most
// of the time, or nothing would come past them.

#include <zlib.h>

#include "picture.h"

namespace {

constexpr std::uint8_t magic[] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

std::size_t number_at(const std::uint8_t* at) {
    return std::size_t{at[0]} << 24 | std::size_t{at[1]} << 16 | std::size_t{at[2]} << 8 | at[3];
}

void put_number(std::uint8_t* at, std::size_t number) {
    for (int i = 0; i < 4; ++i) at[i] = static_cast<std::uint8_t>(number >> (24 - 8 * i));
}

void mend(std::uint8_t* data, std::size_t size) {
    constexpr std::size_t around = 12;  // size and name before a chunk's data, the checksum behind
    if (size < sizeof magic) return;
    std::ranges::copy(magic, data);
    for (std::size_t at = sizeof magic; at + around <= size;) {
        if (number_at(data + at) > size - at - around) put_number(data + at, size - at - around);
        const std::size_t length = number_at(data + at);
        put_number(data + at + 8 + length, crc32(0, data + at + 4, static_cast<uInt>(length + 4)));
        at += around + length;
    }
}

}  // namespace

extern "C" std::size_t LLVMFuzzerMutate(std::uint8_t* data, std::size_t size, std::size_t max_size);

extern "C" std::size_t LLVMFuzzerCustomMutator(std::uint8_t* data, std::size_t size, std::size_t max_size,
                                               unsigned seed) {
    size = LLVMFuzzerMutate(data, size, max_size);
    if (seed % 8 != 0) mend(data, size);
    return size;
}

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size) {
    if (size >= sizeof magic && std::equal(magic, magic + sizeof magic, data)) {
        halmix::fuzz::require_decoded_or_refused(data, size);
    }
    return 0;
}
