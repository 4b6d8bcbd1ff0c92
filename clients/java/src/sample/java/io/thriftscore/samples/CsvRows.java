// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.samples;

import io.thriftscore.client.FloatMatrix;
import io.thriftscore.client.Matrix;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.List;

/** Rows of numbers, separated by commas, without a header. */
final class CsvRows {
  private CsvRows() {}

  static FloatMatrix read(Path file) throws IOException {
    List<float[]> rows = new ArrayList<>();
    for (String line : Files.readAllLines(file)) {
      if (!line.isBlank()) {
        rows.add(parse(line));
      }
    }
    if (rows.isEmpty()) {
      throw new IllegalArgumentException(file + " has no rows");
    }
    return Matrix.of(rows.toArray(float[][]::new));
  }

  static float[] parse(String line) {
    String[] fields = line.split(",", -1);
    float[] values = new float[fields.length];
    for (int index = 0; index < fields.length; index++) {
      try {
        values[index] = Float.parseFloat(fields[index].strip());
      } catch (NumberFormatException notANumber) {
        throw new IllegalArgumentException(
            "expected numbers separated by commas, received \"" + fields[index] + "\"",
            notANumber);
      }
    }
    return values;
  }
}
