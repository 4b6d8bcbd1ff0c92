// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.nio.FloatBuffer;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.Random;
import java.util.stream.IntStream;
import java.util.stream.Stream;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.Arguments;
import org.junit.jupiter.params.provider.MethodSource;

/** How sparse rows are cut into chunks. */
class SparseBatchTest {
  private static final Requests REQUESTS =
      new Requests(new MessageCodec(WireProtocol.BINARY, 16_384_000));
  private static final int FLOAT_BYTES = Integer.BYTES + Float.BYTES;
  private static final int DOUBLE_BYTES = Integer.BYTES + Double.BYTES;

  @Test
  void cutsByRows() {
    assertEquals(List.of(3, 6, 7), ends(floats(1, 1, 1, 1, 1, 1, 1), 3, 1_000_000));
  }

  @Test
  void givesOffsetsHalfOfTheBytes() {
    assertEquals(List.of(2, 4, 5), ends(floats(0, 0, 0, 0, 0), 100, 2 * 2 * Long.BYTES));
  }

  @Test
  void givesValuesHalfOfTheBytes() {
    assertEquals(List.of(2, 3, 5), ends(floats(1, 2, 3, 1, 2), 100, 2 * 3 * FLOAT_BYTES));
    assertEquals(List.of(1, 2, 3, 4, 5), ends(doubles(1, 2, 3, 1, 2), 100, 2 * 3 * FLOAT_BYTES));
    assertEquals(List.of(2, 3, 5), ends(doubles(1, 2, 3, 1, 2), 100, 2 * 3 * DOUBLE_BYTES));
  }

  @Test
  void takesEmptyRowsAlong() {
    assertEquals(List.of(4, 6), ends(floats(0, 0, 6, 0, 1, 0), 100, 2 * 6 * FLOAT_BYTES));
  }

  @Test
  void givesARowThatIsTooLargeAChunkOfItsOwn() {
    assertEquals(List.of(1, 2, 5), ends(floats(1, 9, 1, 1, 1), 100, 2 * 4 * FLOAT_BYTES));
    assertEquals(List.of(1, 2), ends(floats(1, 1), 100, -1));
  }

  @Test
  void endsWhereItBeginsWithoutRows() {
    assertEquals(0, batch(floats()).endOfChunk(0, 100, 1000));
  }

  @Test
  void cutsByRowsWhateverTheirNumber() {
    assertEquals(List.of(2), ends(floats(1, 1), Integer.MAX_VALUE, Long.MAX_VALUE / 2));
  }

  @Test
  void coversRandomRowsOnceWithinTheLimits() {
    Random random = new Random(20260215);
    for (int round = 0; round < 500; round++) {
      int[] lengths =
          random.ints(random.nextInt(200), 0, 10)
              .map(kind -> kind < 3 ? 0 : random.nextInt(kind < 9 ? 8 : 90))
              .toArray();
      SparseRows rows = round % 2 == 0 ? floats(lengths) : doubles(lengths);
      expectCut(rows, 1 + random.nextInt(40), 1 + random.nextInt(1500));
    }
  }

  private static void expectCut(SparseRows rows, int rowsMax, int bytesMax) {
    int valueBytes = Integer.BYTES + LittleEndian.itemBytes(rows.values().datatype());
    SparseBatch batch = batch(rows);
    List<Integer> indices = new ArrayList<>();
    List<Double> values = new ArrayList<>();
    int start = 0;
    while (start < rows.rows()) {
      int end = batch.endOfChunk(start, rowsMax, bytesMax);
      SparseRows chunk = batch.chunk(start, end);
      int count = chunk.indices().length;
      assertEquals(end - start, chunk.rows());
      assertTrue(fits(chunk.rows(), count, rowsMax, bytesMax, valueBytes) || chunk.rows() == 1);
      if (end < rows.rows()) {
        int next = count + (int) (rows.indptr()[end + 1] - rows.indptr()[end]);
        assertTrue(!fits(chunk.rows() + 1, next, rowsMax, bytesMax, valueBytes), "chunk too small");
      }
      for (int row = 0; row <= chunk.rows(); row++) {
        assertEquals(rows.indptr()[start + row] - rows.indptr()[start], chunk.indptr()[row]);
      }
      Arrays.stream(chunk.indices()).forEach(indices::add);
      IntStream.range(0, count).forEach(column -> values.add(chunk.values().get(0, column)));
      start = end;
    }
    assertEquals(rows.rows(), start);
    assertArrayEquals(rows.indices(), indices.stream().mapToInt(index -> index).toArray());
    IntStream.range(0, values.size())
        .forEach(place -> assertEquals(rows.values().get(0, place), values.get(place)));
  }

  private static boolean fits(int rows, int count, int rowsMax, int bytesMax, int valueBytes) {
    return rows <= rowsMax
        && 2 * rows * Long.BYTES <= bytesMax
        && 2 * count * valueBytes <= bytesMax;
  }

  @Test
  void cutsValuesOfEveryKindOfMatrix() {
    float[] data = {1, 2, 3, 4};
    long[] indptr = {0, 1, 3, 4};
    for (Matrix values :
        List.of(
            new FloatMatrix(data, 1, 4),
            new FloatMatrix(data, 4, 1),
            Matrix.of(FloatBuffer.wrap(data), 4),
            new FloatRows(new float[][] {{1, 2}, {3, 4}}))) {
      Matrix part = batch(new SparseRows(indptr, new int[4], values)).chunk(1, 3).values();
      assertArrayEquals(LittleEndian.pack(new float[] {2, 3, 4}), LittleEndian.pack(part));
      assertEquals(4, part.get(0, 2));
      assertThrows(IndexOutOfBoundsException.class, () -> part.get(0, 3));
    }
  }

  @ParameterizedTest
  @MethodSource("malformed")
  void refusesOffsetsThatDoNotCutTheValues(long[] indptr, String message) {
    SparseRows rows = SparseRows.of(indptr, new int[5], new float[5]);
    var error = assertThrows(IllegalArgumentException.class, () -> batch(rows));
    assertEquals("indptr: expected " + message, error.getMessage());
  }

  static Stream<Arguments> malformed() {
    String falls = "offsets that never fall, received ";
    String last = "its last offset to be 5, the number of indices, received ";
    return Stream.of(
        Arguments.of(new long[] {1, 5}, "rows + 1 offsets from 0, received 1"),
        Arguments.of(new long[] {-1, 5}, "rows + 1 offsets from 0, received -1"),
        Arguments.of(new long[] {5}, "rows + 1 offsets from 0, received 5"),
        Arguments.of(new long[] {0, 3, 2, 5}, falls + "3 and then 2 for row 1"),
        Arguments.of(new long[] {0, -2, 5}, falls + "0 and then -2 for row 0"),
        Arguments.of(new long[] {0, 9, 5}, falls + "9 and then 5 for row 1"),
        Arguments.of(new long[] {0, 3, Long.MIN_VALUE}, falls + "3 and then " + Long.MIN_VALUE
            + " for row 1"),
        Arguments.of(new long[] {0, 3, 6}, last + 6),
        Arguments.of(new long[] {0, 3, 1L << 32 | 5}, last + (1L << 32 | 5)),
        Arguments.of(new long[] {0, 3, Long.MAX_VALUE}, last + Long.MAX_VALUE),
        Arguments.of(new long[] {0, 3, 4}, last + 4),
        Arguments.of(new long[] {0}, last + 0));
  }

  @Test
  void refusesAnotherNumberOfIndicesThanOfValues() {
    SparseRows rows = SparseRows.of(new long[] {0, 2}, new int[2], new double[3]);
    var error = assertThrows(IllegalArgumentException.class, () -> batch(rows));
    assertEquals("values: expected 2, one for each of indices, received 3", error.getMessage());
  }

  private static SparseBatch batch(SparseRows rows) {
    return new SparseBatch(REQUESTS, "wide", rows);
  }

  /** Where the chunks end. */
  private static List<Integer> ends(SparseRows rows, int rowsMax, long bytesMax) {
    SparseBatch batch = batch(rows);
    List<Integer> ends = new ArrayList<>();
    for (int end = 0; end < rows.rows(); ends.add(end)) {
      end = batch.endOfChunk(end, rowsMax, bytesMax);
    }
    return ends;
  }

  private static SparseRows floats(int... lengths) {
    SparseRows rows = doubles(lengths);
    float[] values = new float[rows.indices().length];
    IntStream.range(0, values.length).forEach(place -> values[place] = place + 0.5f);
    return SparseRows.of(rows.indptr(), rows.indices(), values);
  }

  /** Rows of these lengths; each value is of its place, so that none is taken for another. */
  private static SparseRows doubles(int... lengths) {
    long[] indptr = new long[lengths.length + 1];
    for (int row = 0; row < lengths.length; row++) {
      indptr[row + 1] = indptr[row] + lengths[row];
    }
    int count = (int) indptr[lengths.length];
    int[] indices = IntStream.range(0, count).toArray();
    return SparseRows.of(
        indptr, indices, Arrays.stream(indices).mapToDouble(place -> place + 0.1).toArray());
  }
}
