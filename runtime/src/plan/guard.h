#pragma once

#include <new>

#include "halmix/error.h"

namespace halmix {

/// Error(out_of_memory), made when the program starts: to make one then would need memory.
extern const Error no_memory;

/// Calls what a user has called: that memory is lacking becomes the one type of exception that users are promised.
template <typename Call>
decltype(auto) guarded(const Call& call) {
    try {
        return call();
    } catch (const std::bad_alloc&) {
        throw Error(no_memory);  // a copy shares the message
    }
}

}  // namespace halmix
