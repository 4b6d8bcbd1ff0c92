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
    return score(new DenseBatch(client.requests, model, features), call);
  }

  CompletableFuture<ScoreResult> scoreSparse(String model, SparseRows rows, CallOptions call) {
    return score(new SparseBatch(client.requests, model, rows), call);
  }

  private CompletableFuture<ScoreResult> score(Batch batch, CallOptions call) {
    int end = batch.endOfChunk(0, client.options.chunkRows(), bytesMax(batch, call));
    CompletableFuture<ScoreResult> first =
        caller.call(
            batch.request(0, end, call, reply -> Replies.scores(reply, end, call.requestId())));
    if (end == batch.rows()) {
      return first;
    }
    CompletableFuture<ScoreResult> result = new CompletableFuture<>();
    first.whenComplete(
        (scores, error) -> {
          if (error == null) {
            step(result, () -> new Rest(batch, call, scores, result).start());
          } else {
            result.completeExceptionally(error);
          }
        });
    return result;
  }

  /** What is left of a message for features or scores. */
  private long bytesMax(Batch batch, CallOptions call) {
    long letters = batch.model().length() + call.version().length() + call.requestId().length()
        + call.traceparent().length() + client.options.authToken().length();
    return client.options.frameBytesMax() - ENVELOPE_BYTES - 4 * letters;
  }

  /** Goes on in a thread that nobody waits for: what is thrown there must end the batch. */
  private static void step(CompletableFuture<ScoreResult> result, Runnable next) {
    try {
      next.run();
    } catch (RuntimeException | Error failure) {
      result.completeExceptionally(failure);
    }
  }

  /** The chunks after the first. */
  private final class Rest {
    private final Batch batch;
    private final CallOptions call;
    private final ScoreResult first;
    private final Matrix scores;
    private final int rowsMax;
    private final long bytesMax;
    private final CompletableFuture<ScoreResult> result;
    private final AtomicInteger nextRow;
    private final AtomicInteger rowsLeft;

    Rest(
        Batch batch, CallOptions call, ScoreResult first, CompletableFuture<ScoreResult> result) {
      this.batch = batch;
      this.call = call.withVersion(first.modelVersion());
      this.first = first;
      this.result = result;
      Matrix head = first.scores();
      this.scores = LittleEndian.zeros(head.datatype(), batch.rows(), head.columns());
      LittleEndian.copy(head, scores);
      this.bytesMax = bytesMax(batch, this.call);
      long rowBytes = (long) head.columns() * LittleEndian.itemBytes(head.datatype());
      long fitting = bytesMax / Math.max(1, rowBytes);
      this.rowsMax = (int) Math.min(fitting, client.options.chunkRows());
      this.nextRow = new AtomicInteger(head.rows());
      this.rowsLeft = new AtomicInteger(batch.rows() - head.rows());
    }

    void start() {
      int connections = client.directory.backends().length * client.options.connectionsMax();
      int lanes = Math.min(rowsLeft.get(), Math.max(1, CHUNKS_PER_CONNECTION * connections));
      for (int lane = 0; lane < lanes; lane++) {
        scoreNext();
      }
    }

    private int endOfChunk(int start) {
      return batch.endOfChunk(start, rowsMax, bytesMax);
    }

    private void scoreNext() {
      int start = nextRow.getAndUpdate(this::endOfChunk);
      if (start == batch.rows() || result.isDone()) {
        return;
      }
      int rows = endOfChunk(start) - start;
      caller
          .call(batch.request(start, start + rows, call, reply -> place(reply, start, rows)))
          .whenComplete((placed, error) -> ended(rows, error));
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

    private void ended(int rows, Throwable error) {
      if (error != null) {
        result.completeExceptionally(error);
      } else if (rowsLeft.addAndGet(-rows) == 0) {
        result.complete(new ScoreResult(scores, first.modelVersion(), first.requestId()));
      } else {
        step(result, this::scoreNext);
      }
    }
  }
}
