// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <cstddef>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <span>

namespace thriftscore {

/// A file's bytes in memory of their own: nothing that happens to the file later changes them.
struct FileBytes {
  std::unique_ptr<std::byte[]> data;
  std::size_t size = 0;

  std::span<const std::byte> span() const noexcept { return {data.get(), size}; }
};

/// Reads a regular file of at most `bytes_max` bytes. Throws ModelError for anything else (a link,
/// a directory, a pipe, a device) without blocking on it, and for a file that changes its size
/// while it is read.
FileBytes read_regular_file(const std::filesystem::path& path, std::uint64_t bytes_max);

}  // namespace thriftscore
