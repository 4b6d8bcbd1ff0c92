// SPDX-License-Identifier: Apache-2.0
#include "model/file.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <system_error>

#include "model/error.h"

namespace thriftscore {
namespace {

[[noreturn]] void refuse_errno(const char* action) {
  refuse("cannot ", action, " the file: ", std::generic_category().message(errno));
}

class Descriptor {
 public:
  explicit Descriptor(const std::filesystem::path& path)
      : number_(::open(path.c_str(), O_RDONLY | O_NONBLOCK | O_NOFOLLOW | O_CLOEXEC)) {
    if (number_ < 0 && errno == ELOOP) refuse("the file is a symbolic link");
    if (number_ < 0) refuse_errno("open");
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  ~Descriptor() { ::close(number_); }

  int number() const noexcept { return number_; }

 private:
  int number_;
};

std::size_t checked_size(int descriptor, std::uint64_t bytes_max) {
  struct stat status {};
  if (::fstat(descriptor, &status) != 0) refuse_errno("examine");
  if (!S_ISREG(status.st_mode)) refuse("the file is not a regular file");
  const auto size = static_cast<std::uint64_t>(status.st_size);
  if (size > bytes_max) refuse("the file has ", size, " bytes, expected at most ", bytes_max);
  return size;
}

// Bytes read, fewer than asked for only at the end of the file.
std::size_t read_fully(int descriptor, std::byte* to, std::size_t size) {
  constexpr std::size_t kReadBytesMax = std::size_t{1} << 30;
  std::size_t done = 0;
  while (done < size) {
    const ssize_t count = ::read(descriptor, to + done, std::min(size - done, kReadBytesMax));
    if (count < 0 && errno == EINTR) continue;
    if (count < 0) refuse_errno("read");
    if (count == 0) break;
    done += static_cast<std::size_t>(count);
  }
  return done;
}

}  // namespace

FileBytes read_regular_file(const std::filesystem::path& path, std::uint64_t bytes_max) {
  const Descriptor file(path);
  const std::size_t size = checked_size(file.number(), bytes_max);
  // One byte more than expected, so that a file that grew is seen.
  FileBytes bytes{std::make_unique_for_overwrite<std::byte[]>(size + 1), size};
  if (read_fully(file.number(), bytes.data.get(), size + 1) != size) {
    refuse("the file changed its size while it was read");
  }
  return bytes;
}

}  // namespace thriftscore
