// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/endpoint.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sched.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <system_error>

#include "benchmarks/rpc/command_line.h"

namespace thriftscore::benchmarks {
namespace {

constexpr std::string_view kUnixPrefix = "unix:";
constexpr int kBacklog = 4096;

sockaddr_un unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof(address.sun_path)) {
    throw UsageError("unix socket path '" + path + "': expected 1 to " +
                     std::to_string(sizeof(address.sun_path) - 1) + " bytes");
  }
  std::memcpy(address.sun_path, path.data(), path.size());
  return address;
}

FileDescriptor connect_unix(const Endpoint& endpoint) {
  const sockaddr_un address = unix_address(endpoint.unix_path);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) throw_errno("socket");
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0) {
    throw_errno("cannot connect to unix:" + endpoint.unix_path);
  }
  return socket;
}

FileDescriptor connect_tcp(const Endpoint& endpoint) {
  const std::string where = endpoint.host + ":" + endpoint.port;
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int error = ::getaddrinfo(endpoint.host.c_str(), endpoint.port.c_str(), &hints, &found);
  if (error != 0) throw std::runtime_error("cannot resolve " + where + ": " + gai_strerror(error));
  const std::unique_ptr<addrinfo, decltype(&::freeaddrinfo)> owner(found, &::freeaddrinfo);
  for (const addrinfo* entry = found; entry != nullptr; entry = entry->ai_next) {
    FileDescriptor socket(::socket(entry->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (socket.get() < 0) throw_errno("socket");
    if (::connect(socket.get(), entry->ai_addr, entry->ai_addrlen) == 0) return socket;
  }
  throw_errno("cannot connect to " + where);
}

FileDescriptor start_listening(FileDescriptor socket, const sockaddr* address, socklen_t size) {
  if (::bind(socket.get(), address, size) < 0) throw_errno("bind");
  if (::listen(socket.get(), kBacklog) < 0) throw_errno("listen");
  return socket;
}

}  // namespace

FileDescriptor::~FileDescriptor() {
  if (number_ >= 0) ::close(number_);
}

Endpoint Endpoint::parse(std::string_view text) {
  const auto refused = [&] {
    return UsageError("--endpoint: expected host:port or unix:/path, received '" +
                      std::string(text) + "'");
  };
  Endpoint endpoint;
  if (text.starts_with(kUnixPrefix)) {
    endpoint.unix_path = text.substr(kUnixPrefix.size());
    unix_address(endpoint.unix_path);  // refuses one that is too long
    return endpoint;
  }
  const std::size_t colon = text.rfind(':');
  if (colon == std::string_view::npos || colon == 0 || colon + 1 == text.size()) throw refused();
  std::string_view host = text.substr(0, colon);
  if (host.front() == '[' && host.back() == ']') host = host.substr(1, host.size() - 2);
  endpoint.host = host;
  endpoint.port = text.substr(colon + 1);
  const bool is_number = endpoint.port.find_first_not_of("0123456789") == std::string::npos;
  if (host.empty() || !is_number || endpoint.port.size() > 5) throw refused();
  return endpoint;
}

FileDescriptor connect_to(const Endpoint& endpoint) {
  const bool is_unix = !endpoint.unix_path.empty();
  FileDescriptor socket = is_unix ? connect_unix(endpoint) : connect_tcp(endpoint);
  send_at_once(socket.get());
  return socket;
}

FileDescriptor listen_on_loopback(std::uint16_t& port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(port);
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  FileDescriptor socket(::socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) throw_errno("socket");
  const int on = 1;
  ::setsockopt(socket.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  auto* const generic = reinterpret_cast<sockaddr*>(&address);
  socket = start_listening(std::move(socket), generic, sizeof address);
  socklen_t size = sizeof address;
  if (::getsockname(socket.get(), generic, &size) < 0) throw_errno("getsockname");
  port = ntohs(address.sin_port);
  return socket;
}

FileDescriptor listen_at(const std::string& path) {
  const sockaddr_un address = unix_address(path);
  FileDescriptor socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (socket.get() < 0) throw_errno("socket");
  return start_listening(std::move(socket), reinterpret_cast<const sockaddr*>(&address),
                         sizeof address);
}

void send_at_once(int socket) noexcept {
  const int on = 1;
  ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
}

void throw_errno(const std::string& what) {
  throw std::system_error(errno, std::generic_category(), what);
}

void pin_to_cpu(int cpu) {
  cpu_set_t only;
  CPU_ZERO(&only);
  CPU_SET(static_cast<std::size_t>(cpu), &only);
  if (::sched_setaffinity(0, sizeof only, &only) < 0) {
    throw_errno("cannot pin to processor " + std::to_string(cpu));
  }
}

}  // namespace thriftscore::benchmarks
