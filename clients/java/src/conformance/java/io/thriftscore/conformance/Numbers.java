// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import io.thriftscore.client.Matrix;
import java.util.Arrays;
import java.util.stream.DoubleStream;
import java.util.stream.StreamSupport;

/** Numbers from cases, where NaN and the infinities are strings, and back. */
final class Numbers {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private Numbers() {}

  static double number(JsonNode node) {
    return node.isTextual() ? Double.parseDouble(node.textValue()) : node.doubleValue();
  }

  /** A flat list. */
  static double[] doubles(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToDouble(Numbers::number).toArray();
  }

  static float[] floats(JsonNode list) {
    float[] values = new float[list.size()];
    for (int index = 0; index < values.length; index++) {
      values[index] = (float) number(list.get(index));
    }
    return values;
  }

  static int[] ints(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToInt(JsonNode::intValue).toArray();
  }

  static long[] longs(JsonNode list) {
    return StreamSupport.stream(list.spliterator(), false).mapToLong(JsonNode::longValue).toArray();
  }

  /** A list of rows. */
  static Matrix matrix(JsonNode rows, String datatype) {
    return switch (datatype) {
      case "FP32" ->
          Matrix.of(
              StreamSupport.stream(rows.spliterator(), false)
                  .map(Numbers::floats)
                  .toArray(float[][]::new));
      case "FP64" ->
          Matrix.of(
              StreamSupport.stream(rows.spliterator(), false)
                  .map(Numbers::doubles)
                  .toArray(double[][]::new));
      default -> throw new IllegalArgumentException("no rows of " + datatype);
    };
  }

  static ArrayNode list(double... values) {
    ArrayNode list = JSON.arrayNode();
    DoubleStream.of(values).forEach(list::add);
    return list;
  }

  /** Flat, row-major values as rows. */
  static ArrayNode rows(double[] values, int rows, int columns) {
    ArrayNode lists = JSON.arrayNode();
    for (int row = 0; row < rows; row++) {
      lists.add(list(Arrays.copyOfRange(values, row * columns, (row + 1) * columns)));
    }
    return lists;
  }

  static ArrayNode rows(Matrix matrix) {
    double[] values = new double[matrix.rows() * matrix.columns()];
    for (int index = 0; index < values.length; index++) {
      values[index] = matrix.get(index / matrix.columns(), index % matrix.columns());
    }
    return rows(values, matrix.rows(), matrix.columns());
  }
}
