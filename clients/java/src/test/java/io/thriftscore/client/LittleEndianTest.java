// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertArrayEquals;
import static org.junit.jupiter.api.Assertions.assertEquals;

import io.thriftscore.idl.DataType;
import java.nio.ByteBuffer;
import java.util.HexFormat;
import org.junit.jupiter.api.Test;

class LittleEndianTest {

  @Test
  void packsFloatsLowByteFirst() {
    assertEquals("0000803f000020c0", hex(LittleEndian.pack(new float[] {1f, -2.5f})));
  }

  @Test
  void packsDoublesLowByteFirst() {
    assertEquals("000000000000f83f", hex(LittleEndian.pack(new double[] {1.5})));
  }

  @Test
  void packsIntegersLowByteFirst() {
    assertEquals("01000000ffffffff", hex(LittleEndian.pack(new int[] {1, -1})));
    assertEquals("0201000000000000", hex(LittleEndian.pack(new long[] {0x0102})));
  }

  @Test
  void packsRowsOneAfterTheOther() {
    Matrix rows = Matrix.of(new float[] {1, 2}, new float[] {3, 4}, new float[] {5, 6});
    assertEquals(hex(LittleEndian.pack(new float[] {1, 2, 3, 4, 5, 6})),
        hex(LittleEndian.pack(rows)));
  }

  @Test
  void keepsEveryBitOfSpecialValues() {
    float payload = Float.intBitsToFloat(0x7fc12345);
    float[] values = {payload, -0f, Float.MIN_VALUE, Float.POSITIVE_INFINITY};
    FloatMatrix matrix =
        (FloatMatrix) LittleEndian.unpack(
                ByteBuffer.wrap(LittleEndian.pack(values)), DataType.FP32, 2, 2);
    for (int index = 0; index < values.length; index++) {
      assertEquals(
          Float.floatToRawIntBits(values[index]), Float.floatToRawIntBits(matrix.data()[index]));
    }
  }

  @Test
  void unpacksDoubles() {
    double[] values = {0.1, -0.0, 1e308};
    DoubleMatrix matrix =
        (DoubleMatrix) LittleEndian.unpack(
                ByteBuffer.wrap(LittleEndian.pack(values)), DataType.FP64, 3, 1);
    assertArrayEquals(values, matrix.data());
  }

  private static String hex(byte[] bytes) {
    return HexFormat.of().formatHex(bytes);
  }
}
