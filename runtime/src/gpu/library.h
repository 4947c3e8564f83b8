#pragma once

#include <dlfcn.h>

#include <string>

namespace halmix {

/// A driver's library, loaded for good; false if this machine has none.
class Library {
 public:
    explicit Library(const char* name) : handle_(dlopen(name, RTLD_NOW | RTLD_LOCAL)) {}

    [[nodiscard]] explicit operator bool() const { return handle_ != nullptr; }
    [[nodiscard]] void* symbol(const char* name) const { return handle_ == nullptr ? nullptr : dlsym(handle_, name); }

    /// A function that the library is known to have.
    template <typename Signature>
    [[nodiscard]] Signature* function(const char* name) const {
        return reinterpret_cast<Signature*>(symbol(name));
    }

    /// Calls a function that returns a status, which is 0 if all is well; -1 if the library lacks it.
    template <typename... Args>
    int call(const char* name, Args... args) const {
        auto* called = function<int(Args...)>(name);
        return called == nullptr ? -1 : called(args...);
    }

 private:
    void* handle_;
};

/// What a function of a driver says if all is not well.
inline std::string failure(const char* function, int status) {
    return std::string(function) + ": error " + std::to_string(status);
}

}  // namespace halmix
