// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/** Rows to score with one model that can be cut into chunks, each of them a request. */
interface Batch {

  String model();

  int rows();

  /**
   * Where a chunk from the row `start` ends: before the row at which it would have more than so
   * many rows, or more than so many bytes in its message. At least one row further, if there is
   * one: where that is too large, its own call says so.
   */
  int endOfChunk(int start, int rowsMax, long bytesMax);

  /** The request for the scores of the rows from `start` to before `end`. */
  <R> Request<R> request(int start, int end, CallOptions call, ReplyReader<ScoreReply, R> reader);
}
