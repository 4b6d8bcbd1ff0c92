// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.Arrays;

/** Rows in compressed sparse row form, whose offsets are right. */
record SparseBatch(Requests requests, String model, SparseRows sparse) implements Batch {

  /**
   * Checks the offsets, as the server would, so that the rows can be cut by them.
   *
   * @throws IllegalArgumentException if they do not rise from 0 to the number of values
   */
  SparseBatch {
    sparse.requireOffsets();
  }

  @Override
  public int rows() {
    return sparse.rows();
  }

  /** Half of the bytes are for offsets, half for indices and values. */
  @Override
  public int endOfChunk(int start, int rowsMax, long bytesMax) {
    long[] indptr = sparse.indptr();
    int valueBytes = Integer.BYTES + LittleEndian.itemBytes(sparse.values().datatype());
    long valuesEnd = indptr[start] + bytesMax / 2 / valueBytes;
    long rowsFitting = Math.min(rowsMax, bytesMax / 2 / Long.BYTES);
    int end = Math.min(rows(), start + 1);
    int endMax = (int) Math.min(rows(), start + rowsFitting);
    while (end < endMax) {
      int middle = (end + endMax + 1) >>> 1;
      if (indptr[middle] <= valuesEnd) {
        end = middle;
      } else {
        endMax = middle - 1;
      }
    }
    return end;
  }

  @Override
  public <R> Request<R> request(
      int start, int end, CallOptions call, ReplyReader<ScoreReply, R> reader) {
    return requests.scoreSparse(model, chunk(start, end), call, reader);
  }

  /** Rows of their own, whose offsets begin with 0. */
  SparseRows chunk(int start, int end) {
    long[] indptr = Arrays.copyOfRange(sparse.indptr(), start, end + 1);
    int first = (int) indptr[0];
    int last = (int) indptr[end - start];
    for (int row = 0; row < indptr.length; row++) {
      indptr[row] -= first;
    }
    return new SparseRows(
        indptr,
        Arrays.copyOfRange(sparse.indices(), first, last),
        new MatrixSlice(sparse.values(), first, 1, last - first));
  }
}
