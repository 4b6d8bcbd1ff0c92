// SPDX-License-Identifier: Apache-2.0
// Blocking sockets for tests: the ends that a server listens on, and clients of it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <vector>

namespace thriftscore::testing {

using Buffer = std::vector<std::byte>;

/// How long anything may take before a test fails; generous, since no test waits for it to pass.
inline constexpr std::chrono::seconds kPatience{60};

/// A socket that listens on 127.0.0.1, on a port that the system chooses.
int listen_tcp();
std::uint16_t port_of(int descriptor);
/// A socket that listens on a new path; one that begins with a zero byte is no file.
int listen_unix(const std::string& path);

/// One connection. Every call throws std::runtime_error when it fails or takes too long.
class Client {
 public:
  /// A TCP socket that is still to connect.
  Client();
  void connect(std::uint16_t port);
  static Client tcp(std::uint16_t port);
  static Client unix_domain(const std::string& path);
  Client(Client&& other) noexcept;
  Client& operator=(Client&& other) noexcept;
  ~Client();

  void send(std::span<const std::byte> bytes);
  /// Sends what the system takes without waiting; returns how much that was.
  std::size_t send_some(std::span<const std::byte> bytes);
  Buffer receive(std::size_t bytes);
  /// What has come and was not received yet.
  std::span<const std::byte> ahead() const noexcept { return ahead_; }
  /// Memory of this object beside itself.
  std::size_t ahead_bytes() const noexcept { return ahead_.capacity(); }
  /// Waits for more bytes; all that have come and were not received yet.
  std::span<const std::byte> look_ahead();
  /// One frame with its length.
  Buffer receive_frame();
  /// What comes until the server ends the connection, whether cleanly or with a reset.
  Buffer receive_all();
  /// True if the server has ended the connection within `patience`; false if bytes came or none.
  bool ended(std::chrono::milliseconds patience);
  void finish_sending();
  /// Closes with a reset instead of the usual end.
  void reset();
  void close();
  int descriptor() const noexcept { return descriptor_; }

 private:
  explicit Client(int descriptor) noexcept : descriptor_(descriptor) {}
  bool wait(short events, std::chrono::milliseconds patience) const;

  int descriptor_ = -1;
  Buffer ahead_;  // from look_ahead()
};

/// Waits until `condition` holds; false after kPatience.
bool eventually(const std::function<bool()>& condition);

}  // namespace thriftscore::testing
