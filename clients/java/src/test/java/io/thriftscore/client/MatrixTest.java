// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertNotEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import org.junit.jupiter.api.Test;

class MatrixTest {

  @Test
  void findsValuesByRowAndColumn() {
    Matrix matrix = Matrix.of(new double[] {1, 2, 3}, new double[] {4, 5, 6});
    assertEquals(2, matrix.rows());
    assertEquals(3, matrix.columns());
    assertEquals(6, matrix.get(1, 2));
  }

  @Test
  void refusesRowsOfDifferentLengths() {
    var error =
        assertThrows(
            IllegalArgumentException.class, () -> Matrix.of(new float[2], new float[3]));
    assertEquals("row 1 has 3 values, row 0 has 2", error.getMessage());
  }

  @Test
  void refusesDataOfAnotherSize() {
    assertThrows(IllegalArgumentException.class, () -> new FloatMatrix(new float[5], 2, 3));
    // 65536 x 65536 is 0 in 32 bits.
    assertThrows(IllegalArgumentException.class, () -> new FloatMatrix(new float[0], 65536, 65536));
    assertThrows(IllegalArgumentException.class, () -> new DoubleMatrix(new double[2], -1, -2));
  }

  @Test
  void refusesPlacesOutsideTheShape() {
    Matrix matrix = Matrix.of(new float[] {1, 2}, new float[] {3, 4});
    assertThrows(IndexOutOfBoundsException.class, () -> matrix.get(0, 2));
    assertThrows(IndexOutOfBoundsException.class, () -> matrix.get(2, 0));
  }

  @Test
  void comparesByShapeAndValues() {
    assertEquals(Matrix.of(new float[] {1, 2}), Matrix.of(new float[] {1, 2}));
    assertNotEquals(Matrix.of(new float[] {1, 2}), Matrix.of(new float[] {1}, new float[] {2}));
    assertEquals(
        Matrix.of(new double[] {1}).hashCode(), Matrix.of(new double[] {1}).hashCode());
  }

  @Test
  void mayHaveNoRows() {
    assertTrue(Matrix.of(new float[0][]).rows() == 0);
  }
}
