// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static io.thriftscore.client.HostileServer.ANSWER;
import static io.thriftscore.client.HostileServer.answer;
import static io.thriftscore.client.HostileServer.frame;
import static io.thriftscore.client.HostileServer.message;
import static io.thriftscore.client.HostileServer.success;
import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.ScoringService;
import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;
import java.time.Duration;
import java.util.Arrays;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.TimeUnit;
import org.apache.thrift.TApplicationException;
import org.apache.thrift.protocol.TBinaryProtocol;
import org.apache.thrift.protocol.TMessage;
import org.apache.thrift.protocol.TMessageType;
import org.apache.thrift.protocol.TProtocol;
import org.apache.thrift.transport.TMemoryBuffer;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

/**
 * Each hostile connection gives a typed error, and the next call, on a new connection, gives its
 * own answer. The time limit only ends a test that hangs: hostile peers hold on far longer.
 */
@Timeout(value = 20, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class HostileServerTest {
  private static final Duration SHORT = Duration.ofMillis(300);
  private static final Duration AMPLE = Duration.ofSeconds(15);

  @Test
  void timesOutWhenNoReplyComes() throws Exception {
    var error = failing(TransportException.CallTimedOut.class, SHORT, peer -> peer.stall());
    assertTrue(error.getMessage().contains("timed out after 300 ms"), error.getMessage());
    assertTrue(error.retryable());
  }

  @Test
  void timesOutWhenTheReplyDrips() throws Exception {
    failing(
        TransportException.CallTimedOut.class,
        SHORT,
        peer -> peer.drip(frame(answer(peer.receive())), 100));
  }

  @Test
  void timesOutWhenALongReplyDrips() throws Exception {
    failing(
        TransportException.CallTimedOut.class,
        SHORT,
        peer -> {
          peer.receive();
          peer.drip(frame(new byte[100_000]), 1);
        });
  }

  @Test
  void timesOutWhenTheServerReadsNothing() throws Exception {
    try (HostileServer server = new HostileServer(peer -> peer.stall());
        ThriftscoreClient client = connect(server, SHORT)) {
      // More than the socket buffers of both sides hold.
      Matrix features = new FloatMatrix(new float[4_000_000], 1, 4_000_000);
      assertThrows(
          TransportException.CallTimedOut.class, () -> client.score("hostile", features));
      assertArrayEquals(new double[] {ANSWER}, client.scoreValues("hostile", 1));
    }
  }

  @Test
  void neverDeliversALateReplyToTheNextCall() throws Exception {
    CountDownLatch timedOut = new CountDownLatch(1);
    CountDownLatch sentLate = new CountDownLatch(1);
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  TMessage call = peer.receive();
                  timedOut.await();
                  TMessage late = new TMessage(call.name, TMessageType.REPLY, call.seqid);
                  try {
                    peer.send(frame(message(late, success(-1))));
                  } finally {
                    sentLate.countDown();
                  }
                  peer.stall();
                });
        ThriftscoreClient client = connect(server, SHORT)) {
      assertThrows(
          TransportException.CallTimedOut.class, () -> client.scoreValues("hostile", 1));
      timedOut.countDown();
      assertTrue(sentLate.await(10, TimeUnit.SECONDS));
      assertArrayEquals(new double[] {ANSWER}, client.scoreValues("hostile", 1));
      assertEquals(2, server.connections());
    }
  }

  @Test
  void refusesAReplyOutOfSequence() throws Exception {
    violating(
        peer -> {
          TMessage call = peer.receive();
          TMessage other = new TMessage(call.name, TMessageType.REPLY, call.seqid - 1);
          peer.send(frame(message(other, success(-1))));
        });
  }

  @Test
  void refusesAnExceptionOutOfSequence() throws Exception {
    violating(
        peer -> {
          TMessage call = peer.receive();
          TMessage other = new TMessage(call.name, TMessageType.EXCEPTION, call.seqid + 1);
          var unknown = new TApplicationException(TApplicationException.UNKNOWN_METHOD, "no");
          peer.send(frame(messageOf(other, unknown)));
        });
  }

  @Test
  void refusesAReplyToAnotherMethod() throws Exception {
    violating(
        peer -> {
          TMessage call = peer.receive();
          TMessage other = new TMessage("score_named", TMessageType.REPLY, call.seqid);
          peer.send(frame(message(other, success(-1))));
        });
  }

  @Test
  void refusesACallInsteadOfAReply() throws Exception {
    violating(
        peer -> {
          TMessage call = peer.receive();
          TMessage other = new TMessage(call.name, TMessageType.CALL, call.seqid);
          peer.send(frame(message(other, success(-1))));
        });
  }

  @Test
  void refusesAReplyWithoutResultOrError() throws Exception {
    violating(
        peer -> {
          TMessage call = peer.receive();
          TMessage reply = new TMessage(call.name, TMessageType.REPLY, call.seqid);
          peer.send(frame(message(reply, new ScoringService.score_values_result())));
        });
  }

  @Test
  void refusesGarbage() throws Exception {
    violating(
        peer -> {
          peer.receive();
          peer.send(frame("not a Thrift message at all".getBytes(StandardCharsets.US_ASCII)));
        });
  }

  @Test
  void refusesHttp() throws Exception {
    var error =
        failing(
            TransportException.ProtocolViolation.class,
            AMPLE,
            peer -> {
              peer.receive();
              peer.send("HTTP/1.1 400 Bad Request\r\n\r\n".getBytes(StandardCharsets.US_ASCII));
            });
    assertTrue(error.getMessage().contains("1213486160"), error.getMessage());
  }

  @Test
  void refusesAMessageThatEndsEarlyInItsFrame() throws Exception {
    violating(
        peer -> {
          byte[] whole = answer(peer.receive());
          peer.send(frame(Arrays.copyOf(whole, whole.length - 3)));
        });
  }

  @Test
  void refusesBytesAfterTheMessageInItsFrame() throws Exception {
    violating(
        peer -> {
          byte[] whole = answer(peer.receive());
          peer.send(frame(Arrays.copyOf(whole, whole.length + 1)));
        });
  }

  @Test
  void refusesBytesAfterTheFrame() throws Exception {
    violating(peer -> peer.send(frame(answer(peer.receive())), new byte[] {0}));
  }

  @Test
  void refusesAFrameAboveTheLimitWithoutWaitingForIt() throws Exception {
    violating(
        peer -> {
          peer.receive();
          peer.send(ByteBuffer.allocate(4).putInt(16_384_001).array());
          peer.stall();
        });
  }

  @Test
  void refusesNegativeAndEmptyFrames() throws Exception {
    for (int length : new int[] {-1, Integer.MIN_VALUE, 0}) {
      violating(
          peer -> {
            peer.receive();
            peer.send(ByteBuffer.allocate(4).putInt(length).array());
            peer.stall();
          });
    }
  }

  @Test
  void refusesAListThatClaimsMoreThanItsFrameHolds() throws Exception {
    violating(
        peer -> {
          byte[] whole = answer(peer.receive());
          // Element count of the list, before one double and the stop byte of the result.
          ByteBuffer.wrap(whole).putInt(whole.length - 13, Integer.MAX_VALUE);
          peer.send(frame(whole));
        });
  }

  @Test
  void reportsAConnectionThatEndsInsideAFrame() throws Exception {
    failing(
        TransportException.ConnectionLost.class,
        AMPLE,
        peer -> {
          byte[] whole = frame(answer(peer.receive()));
          peer.send(Arrays.copyOf(whole, whole.length / 2));
        });
  }

  @Test
  void reportsAConnectionThatEndsWithoutReply() throws Exception {
    failing(TransportException.ConnectionLost.class, AMPLE, peer -> peer.receive());
  }

  @Test
  void reportsAReset() throws Exception {
    failing(
        TransportException.ConnectionLost.class,
        AMPLE,
        peer -> {
          peer.receive();
          peer.reset();
        });
  }

  @Test
  void connectsAnewWhenTheServerHasClosedAnIdleConnection() throws Exception {
    CountDownLatch closed = new CountDownLatch(1);
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  peer.send(frame(answer(peer.receive())));
                  peer.socket().shutdownOutput();
                  closed.countDown();
                  peer.awaitHangUp();
                });
        ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint())) {
      client.scoreValues("hostile", 1);
      assertTrue(closed.await(10, TimeUnit.SECONDS));
      assertArrayEquals(new double[] {ANSWER}, client.scoreValues("hostile", 1));
      assertEquals(2, server.connections());
    }
  }

  @Test
  void takesAMethodThatTheServerLacksAsUnimplementedAndKeepsTheConnection() throws Exception {
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  TMessage call = peer.receive();
                  TMessage refusal =
                      new TMessage(call.name, TMessageType.EXCEPTION, call.seqid);
                  int type = TApplicationException.UNKNOWN_METHOD;
                  peer.send(frame(messageOf(refusal, new TApplicationException(type, "no"))));
                  peer.send(frame(answer(peer.receive())));
                  peer.stall();
                });
        ThriftscoreClient client = connect(server, AMPLE)) {
      assertThrows(
          ServerException.Unimplemented.class, () -> client.scoreValues("hostile", 1));
      assertArrayEquals(new double[] {ANSWER}, client.scoreValues("hostile", 1));
      assertEquals(1, server.connections());
    }
  }

  @Test
  void leavesACallWhenItsThreadIsInterrupted() throws Exception {
    Thread caller = Thread.currentThread();
    try (HostileServer server =
            new HostileServer(
                peer -> {
                  peer.receive();
                  caller.interrupt();
                  peer.stall();
                });
        ThriftscoreClient client = connect(server, AMPLE)) {
      var error =
          assertThrows(
              TransportException.ConnectionLost.class, () -> client.scoreValues("hostile", 1));
      assertTrue(Thread.interrupted(), "the interrupt must stay visible to the caller");
      assertTrue(error.getMessage().contains("interrupted"), error.getMessage());
      assertArrayEquals(new double[] {ANSWER}, client.scoreValues("hostile", 1));
    }
  }

  private static void violating(HostileServer.Hostility hostility) throws Exception {
    failing(TransportException.ProtocolViolation.class, AMPLE, hostility);
  }

  /** One call fails with `expected`; the next connects anew and gets its own answer. */
  private static <E extends ThriftscoreException> E failing(
      Class<E> expected, Duration timeout, HostileServer.Hostility hostility) throws Exception {
    try (HostileServer server = new HostileServer(hostility);
        ThriftscoreClient client = connect(server, timeout)) {
      E error = assertThrows(expected, () -> client.scoreValues("hostile", 1));
      assertEquals(server.endpoint(), error.endpoint());
      assertTrue(error.getMessage().contains(server.endpoint()), error.getMessage());
      assertTrue(error.getMessage().contains("\"hostile\""), error.getMessage());
      assertArrayEquals(new double[] {ANSWER}, client.scoreValues("hostile", 1));
      assertEquals(2, server.connections());
      return error;
    }
  }

  private static ThriftscoreClient connect(HostileServer server, Duration timeout) {
    return ThriftscoreClient.connect(
        server.endpoint(), ClientOptions.DEFAULT.withTimeout(timeout).withAttemptsMax(1));
  }

  private static byte[] messageOf(TMessage begin, TApplicationException exception)
      throws Exception {
    var memory = new TMemoryBuffer(64);
    TProtocol output = new TBinaryProtocol(memory);
    output.writeMessageBegin(begin);
    exception.write(output);
    output.writeMessageEnd();
    return Arrays.copyOf(memory.getArray(), memory.length());
  }
}
