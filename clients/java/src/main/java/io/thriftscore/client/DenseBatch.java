// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

/** The rows of a matrix. */
record DenseBatch(Requests requests, String model, Matrix features) implements Batch {

  @Override
  public int rows() {
    return features.rows();
  }

  @Override
  public int endOfChunk(int start, int rowsMax, long bytesMax) {
    long rowBytes = (long) features.columns() * LittleEndian.itemBytes(features.datatype());
    long fitting = Math.min(rowsMax, bytesMax / Math.max(1, rowBytes));
    return (int) Math.min(rows(), start + Math.max(1, fitting));
  }

  @Override
  public <R> Request<R> request(
      int start, int end, CallOptions call, ReplyReader<ScoreReply, R> reader) {
    Matrix chunk = MatrixSlice.ofRows(features, start, end - start);
    return requests.score(model, chunk, call, reader);
  }
}
