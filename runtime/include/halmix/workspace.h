#pragma once

#include <cstddef>
#include <memory>

#include "halmix/export.h"

namespace halmix {

/// What calls keep for the next ones: images between ops, what a plan was lowered to, the scratch memory of pipelines.
/// Once it has served a size of images, nothing is allocated for that size.
///
/// Calls that are given none use the one of their thread, which goes when the thread ends, and keeps no more than 256
/// MiB for an image at a time: what larger ones than some 18 megapixels need is given back after the call. A workspace
/// serves one call at a time, of any engine and thread; a batch that runs in several threads keeps there what each of
/// them needs. Its memory is the host's: what a GPU keeps belongs to its engine.
class HALMIX_API Workspace {
 public:
    Workspace();  ///< Takes no memory but a few hundred bytes. Throws Error(out_of_memory).
    ~Workspace();
    Workspace(Workspace&& other) noexcept;  ///< `other` may then only be assigned to or destroyed.
    Workspace& operator=(Workspace&& other) noexcept;

    /// The calling thread's own. Throws Error(out_of_memory) if it is new and cannot be made.
    static Workspace& of_this_thread();

    /// Gives its memory back; the next call takes what it needs.
    void release() noexcept;

    /// Bytes of images and scratch memory it holds.
    [[nodiscard]] std::size_t bytes() const noexcept;

    struct State;
    [[nodiscard]] State& state() noexcept { return *state_; }  ///< The library's.

 private:
    std::unique_ptr<State> state_;
};

}  // namespace halmix
