// SPDX-License-Identifier: Apache-2.0
#include "benchmarks/rpc/echo_server.h"

#include <sys/signalfd.h>
#include <sys/socket.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <csignal>
#include <cstring>

#include "benchmarks/rpc/command_line.h"
#include "benchmarks/rpc/reply.h"
#include "wire/byte_reader.h"
#include "wire/encode.h"

namespace thriftscore::benchmarks {
namespace {

constexpr std::size_t kBufferBytes = std::size_t{256} << 10U;
constexpr std::size_t kReplyBytesMax = std::size_t{1} << 30U;
constexpr int kEvents = 1024;

/// A success of score whose scores have `size` bytes. `version` is text of the reply, too.
std::vector<std::byte> score_reply(const wire::ReplyTo& to, std::size_t size,
                                   std::string_view version) {
  const auto rows = static_cast<std::int64_t>(size / sizeof(float));
  wire::ScoreResponse response{{size}, wire::DataType::kFp32, rows, 1, version, {}};
  std::vector<std::byte> reply(wire::reply_bytes_max(to, response));
  reply.resize(wire::encode_result(reply, to, response));
  return reply;
}

std::vector<std::byte> values_reply(const wire::ReplyTo& to, std::size_t count) {
  wire::DoublesRoom room{count};
  std::vector<std::byte> reply(wire::reply_bytes_max(to, room));
  reply.resize(wire::encode_result(reply, to, room));
  return reply;
}

std::vector<std::byte> ping_reply(const wire::ReplyTo& to) {
  bool result = true;
  std::vector<std::byte> reply(wire::reply_bytes_max(to, result));
  reply.resize(wire::encode_result(reply, to, result));
  return reply;
}

/// Among the replies make(0), make(1) and so on, whose sizes rise by `step` or, where a length
/// takes a byte more, by a few bytes more: the largest of at most `wanted` bytes, or make(0).
template <typename Make>
std::vector<std::byte> closest_reply(std::size_t wanted, std::size_t step, const Make& make) {
  const std::size_t smallest = make(std::size_t{0}).size();
  std::size_t amount = wanted > smallest ? (wanted - smallest) / step : 0;
  std::vector<std::byte> reply = make(amount);
  while (amount > 0 && reply.size() > wanted) reply = make(--amount);
  return reply;
}

std::vector<std::byte> closest_reply(const EchoOptions& options, const wire::ReplyTo& to) {
  const std::size_t wanted = options.reply_bytes;
  if (options.method == Method::kPing) return ping_reply(to);
  if (options.method != Method::kScore) {
    return closest_reply(wanted, wire::kDoubleBytes,
                         [&](std::size_t count) { return values_reply(to, count); });
  }
  // Where the length of the scores takes a byte more, one size is left out; a longer version
  // number makes up for it.
  for (const std::string_view version : {"1", "12"}) {
    auto reply =
        closest_reply(wanted, 1, [&](std::size_t size) { return score_reply(to, size, version); });
    if (reply.size() == wanted || wanted == 0) return reply;
  }
  return score_reply(to, 0, "1");
}

sigset_t stop_signals() noexcept {
  sigset_t set;
  ::sigemptyset(&set);
  ::sigaddset(&set, SIGTERM);
  ::sigaddset(&set, SIGINT);
  return set;
}

void add_to(const FileDescriptor& epoll, const FileDescriptor& watched) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.fd = watched.get();
  if (::epoll_ctl(epoll.get(), EPOLL_CTL_ADD, watched.get(), &event) < 0) throw_errno("epoll_ctl");
}

}  // namespace

std::vector<std::byte> make_reply(const EchoOptions& options) {
  if (options.reply_bytes > kReplyBytesMax) throw UsageError("--reply-bytes: at most 1 GiB");
  const wire::ReplyTo to{
      options.transport, options.protocol, kSequenceIdFirst, name_of(options.method), {}};
  std::vector<std::byte> reply = closest_reply(options, to);
  if (options.reply_bytes != 0 && reply.size() != options.reply_bytes) {
    throw UsageError("--reply-bytes: no reply of " + std::string(name_of(options.method)) +
                     " has " + std::to_string(options.reply_bytes) + " bytes; one has " +
                     std::to_string(reply.size()));
  }
  return reply;
}

MessageCounter::MessageCounter(wire::Transport transport) noexcept
    : is_framed_(transport != wire::Transport::kUnframed), framer_(reply_limits()) {}

std::int64_t MessageCounter::count(wire::Bytes bytes) {
  return is_framed_ ? count_frames(bytes) : count_unframed(bytes);
}

std::int64_t MessageCounter::count_frames(wire::Bytes bytes) noexcept {
  std::int64_t frames = 0;
  while (!bytes.empty()) {
    if (frame_left_ == 0) {
      const std::size_t taken = std::min(length_.size() - length_bytes_, bytes.size());
      std::memcpy(length_.data() + length_bytes_, bytes.data(), taken);
      length_bytes_ += taken;
      bytes = bytes.subspan(taken);
      if (length_bytes_ < length_.size()) break;
      frame_left_ = wire::load<std::endian::big, std::uint32_t>(length_.data());
      length_bytes_ = 0;
      if (frame_left_ == 0 || frame_left_ > reply_limits().frame_bytes_max) return -1;
    }
    const std::size_t skipped = std::min(frame_left_, bytes.size());
    frame_left_ -= skipped;
    bytes = bytes.subspan(skipped);
    if (frame_left_ == 0) ++frames;
  }
  return frames;
}

std::int64_t MessageCounter::count_unframed(wire::Bytes bytes) {
  if (!pending_.empty()) {
    pending_.insert(pending_.end(), bytes.begin(), bytes.end());
    bytes = pending_;
  }
  std::int64_t messages = 0;
  while (!bytes.empty()) {
    const wire::Outcome outcome = framer_.next_message(bytes);
    if (std::holds_alternative<wire::Reject>(outcome)) return -1;
    const auto* message = std::get_if<wire::Message>(&outcome);
    if (message == nullptr) break;
    bytes = bytes.subspan(message->total_bytes);
    ++messages;
  }
  pending_ = std::vector<std::byte>(bytes.begin(), bytes.end());
  return messages;
}

EchoServer::EchoServer(FileDescriptor listener, const EchoOptions& options)
    : listener_(std::move(listener)),
      epoll_(::epoll_create1(EPOLL_CLOEXEC)),
      options_(options),
      events_(kEvents),
      buffer_(kBufferBytes) {
  const std::vector<std::byte> reply = make_reply(options);
  reply_bytes_ = reply.size();
  const std::size_t copies = std::max<std::size_t>(1, kBufferBytes / reply_bytes_);
  for (std::size_t i = 0; i <= copies; ++i) {
    replies_.insert(replies_.end(), reply.begin(), reply.end());
  }
  const sigset_t stop = stop_signals();
  signals_ = FileDescriptor(::signalfd(-1, &stop, SFD_NONBLOCK | SFD_CLOEXEC));
  if (epoll_.get() < 0 || signals_.get() < 0) throw_errno("epoll_create1 or signalfd");
  add_to(epoll_, listener_);
  add_to(epoll_, signals_);
}

void EchoServer::run() {
  for (;;) {
    const int count = ::epoll_wait(epoll_.get(), events_.data(), kEvents, options_.poll ? 0 : -1);
    for (int i = 0; i < count; ++i) {
      const int ready = events_[static_cast<std::size_t>(i)].data.fd;
      if (ready == signals_.get()) return;
      if (ready == listener_.get()) {
        accept_peers();
        continue;
      }
      auto& peer = peers_[static_cast<std::size_t>(ready)];
      if (!serve(*peer)) peer.reset();  // which closes it
    }
  }
}

void EchoServer::accept_peers() {
  for (;;) {
    FileDescriptor socket(
        ::accept4(listener_.get(), nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC));
    if (socket.get() < 0) return;
    send_at_once(socket.get());
    const auto number = static_cast<std::size_t>(socket.get());
    if (peers_.size() <= number) peers_.resize(number + 1);
    add_to(epoll_, socket);
    peers_[number] = std::make_unique<Peer>(std::move(socket), options_.transport);
  }
}

/// False: the connection is over.
bool EchoServer::serve(Peer& peer) {
  if (peer.unsent == 0 && !read(peer)) return false;
  if (peer.unsent != 0 && !write(peer)) return false;
  if ((peer.unsent != 0) != peer.waits_to_write) watch(peer);
  return true;
}

bool EchoServer::read(Peer& peer) {
  const ssize_t received = ::recv(peer.socket.get(), buffer_.data(), buffer_.size(), 0);
  if (received < 0) return errno == EAGAIN || errno == EINTR;
  if (received == 0) return false;
  const std::int64_t messages =
      peer.counter.count(wire::Bytes(buffer_).first(static_cast<std::size_t>(received)));
  if (messages < 0) return false;
  peer.unsent = static_cast<std::size_t>(messages) * reply_bytes_;
  return true;
}

bool EchoServer::write(Peer& peer) {
  const std::size_t size = std::min(peer.unsent, replies_.size() - peer.sent_at);
  const ssize_t sent =
      ::send(peer.socket.get(), replies_.data() + peer.sent_at, size, MSG_NOSIGNAL);
  if (sent < 0) return errno == EAGAIN || errno == EINTR;
  peer.unsent -= static_cast<std::size_t>(sent);
  peer.sent_at = (peer.sent_at + static_cast<std::size_t>(sent)) % reply_bytes_;
  return true;
}

/// Nothing is read while replies wait, so that one counter is all the state there is.
void EchoServer::watch(Peer& peer) {
  peer.waits_to_write = peer.unsent != 0;
  epoll_event event{};
  event.events = peer.waits_to_write ? EPOLLOUT : EPOLLIN;
  event.data.fd = peer.socket.get();
  if (::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, event.data.fd, &event) < 0) throw_errno("epoll_ctl");
}

}  // namespace thriftscore::benchmarks
