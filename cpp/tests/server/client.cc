// SPDX-License-Identifier: Apache-2.0
#include "tests/server/client.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <stdexcept>
#include <system_error>
#include <thread>
#include <utility>

namespace thriftscore::testing {
namespace {

int checked(int result, const char* what) {
  if (result < 0) throw std::system_error(errno, std::generic_category(), what);
  return result;
}

sockaddr_in loopback(std::uint16_t port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  return address;
}

sockaddr_un local(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  path.copy(address.sun_path, sizeof(address.sun_path) - 1);
  return address;
}

/// Exact, because in the abstract namespace every byte counts.
std::size_t local_size(const std::string& path) {
  return offsetof(sockaddr_un, sun_path) + path.size() + (path[0] == '\0' ? 0 : 1);
}

template <typename Address>
void connect_to(int descriptor, const Address& address, std::size_t size = sizeof(Address)) {
  checked(::connect(descriptor, reinterpret_cast<const sockaddr*>(&address),
                    static_cast<socklen_t>(size)),
          "connect");
}

int new_socket(int family) {
  return checked(::socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
}

template <typename Address>
int listen_on(int family, const Address& address, std::size_t size = sizeof(Address)) {
  const int descriptor = new_socket(family);
  checked(
      ::bind(descriptor, reinterpret_cast<const sockaddr*>(&address), static_cast<socklen_t>(size)),
      "bind");
  checked(::listen(descriptor, 4096), "listen");
  return descriptor;
}

}  // namespace

int listen_tcp() { return listen_on(AF_INET, loopback(0)); }
int listen_unix(const std::string& path) {
  return listen_on(AF_UNIX, local(path), local_size(path));
}

std::uint16_t port_of(int descriptor) {
  sockaddr_in address{};
  socklen_t size = sizeof(address);
  checked(::getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  return ntohs(address.sin_port);
}

Client::Client() : descriptor_(new_socket(AF_INET)) {}

Client Client::tcp(std::uint16_t port) {
  Client client;
  client.connect(port);
  return client;
}

Client Client::unix_domain(const std::string& path) {
  Client client(new_socket(AF_UNIX));
  connect_to(client.descriptor_, local(path), local_size(path));
  return client;
}

void Client::connect(std::uint16_t port) {
  connect_to(descriptor_, loopback(port));
  const int on = 1;
  ::setsockopt(descriptor_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
}

Client::Client(Client&& other) noexcept
    : descriptor_(std::exchange(other.descriptor_, -1)), ahead_(std::move(other.ahead_)) {}

Client& Client::operator=(Client&& other) noexcept {
  std::swap(descriptor_, other.descriptor_);
  std::swap(ahead_, other.ahead_);
  return *this;
}

Client::~Client() { close(); }

void Client::close() {
  if (descriptor_ >= 0) ::close(std::exchange(descriptor_, -1));
}

void Client::reset() {
  const linger now{1, 0};
  ::setsockopt(descriptor_, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
  close();
}

bool Client::wait(short events, std::chrono::milliseconds patience) const {
  pollfd waited{descriptor_, events, 0};
  return checked(::poll(&waited, 1, static_cast<int>(patience.count())), "poll") != 0;
}

void Client::send(std::span<const std::byte> bytes) {
  while (!bytes.empty()) {
    if (!wait(POLLOUT, kPatience)) throw std::runtime_error("the server reads nothing");
    bytes = bytes.subspan(send_some(bytes));
  }
}

std::size_t Client::send_some(std::span<const std::byte> bytes) {
  const ssize_t sent =
      ::sendto(descriptor_, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT, nullptr, 0);
  if (sent < 0 && errno == EAGAIN) return 0;
  if (sent < 0) throw std::system_error(errno, std::generic_category(), "send");
  return static_cast<std::size_t>(sent);
}

std::span<const std::byte> Client::look_ahead() {
  const std::size_t held = ahead_.size();
  ahead_.resize(held + (std::size_t{1} << 16));
  if (!wait(POLLIN, kPatience)) throw std::runtime_error("the server sends nothing");
  const ssize_t more = ::read(descriptor_, ahead_.data() + held, ahead_.size() - held);
  if (more <= 0) throw std::runtime_error("the server has ended the connection");
  ahead_.resize(held + static_cast<std::size_t>(more));
  return ahead_;
}

Buffer Client::receive(std::size_t bytes) {
  while (ahead_.size() < bytes) look_ahead();
  const auto end = ahead_.begin() + static_cast<std::ptrdiff_t>(bytes);
  Buffer received(ahead_.begin(), end);
  ahead_.erase(ahead_.begin(), end);
  return received;
}

Buffer Client::receive_frame() {
  Buffer frame = receive(4);
  std::uint32_t size = 0;
  std::memcpy(&size, frame.data(), sizeof(size));
  const Buffer body = receive(ntohl(size));
  frame.insert(frame.end(), body.begin(), body.end());
  return frame;
}

Buffer Client::receive_all() {
  Buffer received = std::exchange(ahead_, {});
  std::array<std::byte, 65536> chunk{};
  for (;;) {
    if (!wait(POLLIN, kPatience)) throw std::runtime_error("the server keeps the connection");
    const ssize_t more = ::read(descriptor_, chunk.data(), chunk.size());
    if (more <= 0) return received;
    received.insert(received.end(), chunk.begin(), chunk.begin() + more);
  }
}

bool Client::ended(std::chrono::milliseconds patience) {
  if (!wait(POLLIN, patience)) return false;
  std::byte byte{};
  return ::read(descriptor_, &byte, 1) <= 0;
}

void Client::finish_sending() { checked(::shutdown(descriptor_, SHUT_WR), "shutdown"); }

bool eventually(const std::function<bool()>& condition) {
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (!condition()) {
    if (std::chrono::steady_clock::now() > deadline) return false;
    std::this_thread::sleep_for(std::chrono::microseconds(200));
  }
  return true;
}

}  // namespace thriftscore::testing
