// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.util.Objects;

/**
 * Rows in compressed sparse row form; absent entries are 0. The server checks the indices.
 *
 * @param indptr rows + 1 offsets into indices and values: row r has indptr[r] to indptr[r + 1]
 * @param indices the column of each value, rising within a row
 * @param values as many as indices, in one row of a matrix
 */
public record SparseRows(long[] indptr, int[] indices, Matrix values) {

  /**
   * Checks the lengths; the arrays are not copied.
   *
   * @throws IllegalArgumentException if indptr is empty
   */
  public SparseRows {
    Objects.requireNonNull(indices, "indices");
    Objects.requireNonNull(values, "values");
    if (indptr.length == 0) {
      throw new IllegalArgumentException("indptr must have rows + 1 offsets, received none");
    }
  }

  /**
   * Rows of float32.
   *
   * @param indptr see {@link #indptr()}
   * @param indices see {@link #indices()}
   * @param values the values
   * @return the rows
   */
  public static SparseRows of(long[] indptr, int[] indices, float[] values) {
    return new SparseRows(indptr, indices, new FloatMatrix(values, 1, values.length));
  }

  /**
   * Rows of float64.
   *
   * @param indptr see {@link #indptr()}
   * @param indices see {@link #indices()}
   * @param values the values
   * @return the rows
   */
  public static SparseRows of(long[] indptr, int[] indices, double[] values) {
    return new SparseRows(indptr, indices, new DoubleMatrix(values, 1, values.length));
  }

  /**
   * The number of rows.
   *
   * @return 0 or more
   */
  public int rows() {
    return indptr.length - 1;
  }

  /** Bytes of all three in a message. */
  long byteCount() {
    return (long) indptr.length * Long.BYTES
        + (long) indices.length * Integer.BYTES
        + LittleEndian.byteCount(values);
  }

  /** Checks that every row has its own part of indices and values, and that no more are left. */
  void requireOffsets() {
    long count = (long) values.rows() * values.columns();
    if (count != indices.length) {
      throw new IllegalArgumentException(
          String.format(
              "values: expected %d, one for each of indices, received %d", indices.length, count));
    }
    if (indptr[0] != 0) {
      throw new IllegalArgumentException(
          "indptr: expected rows + 1 offsets from 0, received " + indptr[0]);
    }
    for (int row = 0; row < rows(); row++) {
      if (indptr[row + 1] < indptr[row]) {
        throw new IllegalArgumentException(
            String.format(
                "indptr: expected offsets that never fall, received %d and then %d for row %d",
                indptr[row], indptr[row + 1], row));
      }
    }
    if (indptr[rows()] != count) {
      throw new IllegalArgumentException(
          String.format(
              "indptr: expected its last offset to be %d, the number of indices, received %d",
              count, indptr[rows()]));
    }
  }
}
