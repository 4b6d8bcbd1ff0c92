// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import io.thriftscore.idl.DataType;
import java.net.ProtocolException;
import java.util.concurrent.CompletableFuture;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * Scores many rows in chunks. The first chunk tells the version, which all others then ask for, and
 * the width of the scores, for which memory is taken once; the others run in parallel and are read
 * straight into their place. Thread-safe.
 */
final class BatchScorer {
  /** For everything in a message that is neither features nor scores nor a text of the call. */
  private static final int ENVELOPE_BYTES = 1024;

  /** Keeps every connection busy while replies are read and requests are written. */
  private static final int CHUNKS_PER_CONNECTION = 2;

  private final ClientState client;
  private final AsyncCaller caller;

  BatchScorer(ClientState client) {
    this.client = client;
    this.caller = new AsyncCaller(client);
  }

  CompletableFuture<ScoreResult> score(String model, Matrix features, CallOptions call) {
    int itemBytes = LittleEndian.itemBytes(features.datatype());
    int rows = chunkRows(features.columns(), itemBytes, model, call);
    if (features.rows() <= rows) {
      return caller.call(client.requests.score(model, features, call));
    }
    CompletableFuture<ScoreResult> result = new CompletableFuture<>();
    Matrix first = new RowSlice(features, 0, rows);
    caller
        .call(client.requests.score(model, first, call))
        .whenComplete(
            (scores, error) -> {
              if (error == null) {
                new Rest(model, features, call, scores, result).start();
              } else {
                result.completeExceptionally(error);
              }
            });
    return result;
  }

  /** How many rows a message can carry; at least one, whose own call then says what is wrong. */
  private int chunkRows(int columns, int itemBytes, String model, CallOptions call) {
    long texts = 4L * (model.length() + call.requestId().length());
    long room = client.options.frameBytesMax() - ENVELOPE_BYTES - texts;
    long fitting = room / Math.max(1, (long) columns * itemBytes);
    return (int) Math.max(1, Math.min(fitting, client.options.chunkRows()));
  }

  /** The chunks after the first. */
  private final class Rest {
    private final String model;
    private final Matrix features;
    private final CallOptions call;
    private final ScoreResult first;
    private final Matrix scores;
    private final int chunkRows;
    private final CompletableFuture<ScoreResult> result;
    private final AtomicInteger next = new AtomicInteger();
    private final AtomicInteger left;

    Rest(
        String model,
        Matrix features,
        CallOptions call,
        ScoreResult first,
        CompletableFuture<ScoreResult> result) {
      this.model = model;
      this.features = features;
      this.call = call.withVersion(first.modelVersion());
      this.first = first;
      this.result = result;
      Matrix head = first.scores();
      this.scores = LittleEndian.zeros(head.datatype(), features.rows(), head.columns());
      LittleEndian.copy(head, scores);
      int sentBytes = LittleEndian.itemBytes(features.datatype());
      int received = LittleEndian.itemBytes(head.datatype());
      this.chunkRows =
          Math.min(
              chunkRows(features.columns(), sentBytes, model, call),
              chunkRows(head.columns(), received, model, call));
      int rest = features.rows() - head.rows();
      this.left = new AtomicInteger(rest / chunkRows + (rest % chunkRows == 0 ? 0 : 1));
    }

    void start() {
      int connections = client.directory.backends().length * client.options.connectionsMax();
      int lanes = Math.min(left.get(), CHUNKS_PER_CONNECTION * connections);
      for (int lane = 0; lane < lanes; lane++) {
        scoreNext();
      }
    }

    private void scoreNext() {
      long start = first.scores().rows() + (long) next.getAndIncrement() * chunkRows;
      if (start >= features.rows() || result.isDone()) {
        return;
      }
      int rows = (int) Math.min(chunkRows, features.rows() - start);
      Matrix chunk = new RowSlice(features, (int) start, rows);
      caller
          .call(client.requests.score(model, chunk, call, reply -> place(reply, (int) start, rows)))
          .whenComplete((placed, error) -> ended(error));
    }

    private Boolean place(ScoreReply reply, int start, int rows) throws ProtocolException {
      Replies.requireScores(reply, rows, call.requestId());
      DataType datatype = scores.datatype();
      if (reply.datatype != datatype
          || reply.columns != scores.columns()
          || !reply.modelVersion.equals(call.version())) {
        throw new ProtocolException(
            String.format(
                "expected %d columns of %s by version %s, received %d of %s by version %s",
                scores.columns(), datatype, call.version(),
                reply.columns, reply.datatype, reply.modelVersion));
      }
      LittleEndian.unpack(reply.scores, scores, start * scores.columns());
      return true;
    }

    private void ended(Throwable error) {
      if (error != null) {
        result.completeExceptionally(error);
      } else if (left.decrementAndGet() == 0) {
        result.complete(new ScoreResult(scores, first.modelVersion(), first.requestId()));
      } else {
        scoreNext();
      }
    }
  }
}
