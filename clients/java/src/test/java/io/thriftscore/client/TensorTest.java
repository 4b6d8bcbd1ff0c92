// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import io.thriftscore.idl.DataType;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class TensorTest {

  @ParameterizedTest
  @CsvSource({
    "BOOL, 01, 1",
    "UINT8, ff, 255",
    "INT8, ff, -1",
    "UINT16, feff, 65534",
    "INT16, feff, -2",
    "UINT32, ffffffff, 4294967295",
    "INT32, ffffffff, -1",
    "UINT64, 0000000000000080, 9223372036854775808",
    "INT64, ffffffffffffffff, -1",
    "FP32, 0000c03f, 1.5",
    "FP64, 000000000000f83f, 1.5",
  })
  void readsElementsOfEveryNumericType(DataType datatype, String hex, double expected) {
    Tensor tensor = new Tensor("x", datatype, new long[] {1}, HexFormat.of().parseHex(hex));
    assertArrayEquals(new double[] {expected}, tensor.toDoubles());
  }

  @Test
  void hasTheShapeOfItsMatrix() {
    Tensor tensor = Tensor.of("x", Matrix.of(new float[] {1, 2, 3}));
    assertArrayEquals(new long[] {1, 3}, tensor.shape());
    assertArrayEquals(new double[] {1, 2, 3}, tensor.toDoubles());
  }

  @Test
  void refusesDataThatDoesNotFitItsShape() {
    var error =
        assertThrows(
            IllegalArgumentException.class,
            () -> new Tensor("x", DataType.FP32, new long[] {2, 2}, new byte[15]));
    assertEquals("tensor \"x\" of shape [2, 2] needs 16 bytes, received 15", error.getMessage());
  }

  @Test
  void refusesShapesWhoseProductOverflows() {
    long[] shape = {1L << 62, 4, 1};
    assertThrows(
        IllegalArgumentException.class, () -> new Tensor("x", DataType.INT8, shape, new byte[0]));
  }

  @Test
  void refusesNegativeExtents() {
    assertThrows(
        IllegalArgumentException.class,
        () -> new Tensor("x", DataType.INT8, new long[] {-1, -1}, new byte[1]));
  }

  @Test
  void doesNotGuessWhatBytesMean() {
    Tensor tensor = new Tensor("x", DataType.BYTES, new long[] {1}, new byte[4]);
    assertThrows(UnsupportedOperationException.class, tensor::toDoubles);
  }
}
