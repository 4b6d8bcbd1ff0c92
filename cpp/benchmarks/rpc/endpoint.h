// SPDX-License-Identifier: Apache-2.0
// Sockets: where a server is, connecting to it, listening like it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <utility>

namespace thriftscore::benchmarks {

/// A descriptor that is closed with its owner.
class FileDescriptor {
 public:
  FileDescriptor() = default;
  explicit FileDescriptor(int number) noexcept : number_(number) {}
  FileDescriptor(FileDescriptor&& other) noexcept : number_(std::exchange(other.number_, -1)) {}
  FileDescriptor(const FileDescriptor&) = delete;
  FileDescriptor& operator=(const FileDescriptor&) = delete;
  FileDescriptor& operator=(FileDescriptor&& other) noexcept {
    std::swap(number_, other.number_);
    return *this;
  }
  ~FileDescriptor();

  [[nodiscard]] int get() const noexcept { return number_; }

 private:
  int number_ = -1;
};

/// Where a server is: a Unix-domain socket if `unix_path` is set, else TCP.
struct Endpoint {
  std::string host;
  std::string port;
  std::string unix_path;

  /// "host:port", "[address]:port" or "unix:/path". Throws UsageError.
  static Endpoint parse(std::string_view text);
};

/// A connected socket that sends at once; it blocks unless a call says otherwise. Throws
/// std::system_error.
FileDescriptor connect_to(const Endpoint& endpoint);

/// A non-blocking socket that listens on 127.0.0.1; `port` 0 is any, and set to what it became.
/// Throws std::system_error.
FileDescriptor listen_on_loopback(std::uint16_t& port);

/// A non-blocking socket that listens at `path`, which must not exist. Throws std::system_error.
FileDescriptor listen_at(const std::string& path);

/// Small messages leave at once. No effect on a Unix-domain socket.
void send_at_once(int socket) noexcept;

/// Throws std::system_error with errno, `what` and, where it helps, what it was done to.
[[noreturn]] void throw_errno(const std::string& what);

/// Binds the calling thread to one processor. Throws std::system_error.
void pin_to_cpu(int cpu);

}  // namespace thriftscore::benchmarks
