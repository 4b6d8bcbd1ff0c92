// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ArrayNode;
import com.fasterxml.jackson.databind.node.JsonNodeFactory;
import com.fasterxml.jackson.databind.node.ObjectNode;
import io.thriftscore.client.Tensor;
import io.thriftscore.idl.DataType;
import io.thriftscore.idl.ErrorCode;
import io.thriftscore.idl.InferResponse;
import io.thriftscore.idl.NormalizeResponse;
import io.thriftscore.idl.ScoreResponse;
import java.util.Collection;
import java.util.List;
import java.util.Map;
import org.apache.thrift.TBase;
import org.apache.thrift.TEnum;
import org.apache.thrift.TFieldIdEnum;

/** Answers in the JSON of the cases: fields by their IDL names, tensors as numbers. */
final class Answers {
  private static final JsonNodeFactory JSON = JsonNodeFactory.instance;

  private Answers() {}

  static ObjectNode plain(boolean value) {
    return JSON.objectNode().put("result", value);
  }

  static ObjectNode plain(JsonNode value) {
    return JSON.objectNode().set("result", value);
  }

  static ObjectNode error(ErrorCode code, String message, boolean retryable) {
    return JSON.objectNode()
        .put("error", String.valueOf(code))
        .put("message", message)
        .put("retryable", retryable);
  }

  static ObjectNode list(String field, List<?> values) {
    return JSON.objectNode().set(field, json(values));
  }

  /** What a generated method returned. */
  static ObjectNode returned(Object value) {
    if (value instanceof ScoreResponse reply) {
      byte[] bytes = reply.getScores();
      return withRows(struct(reply), "scores", bytes, reply.getDatatype());
    }
    if (value instanceof NormalizeResponse reply) {
      byte[] bytes = reply.getValues();
      return withRows(struct(reply), "values", bytes, reply.getDatatype());
    }
    if (value instanceof InferResponse reply) {
      return struct(reply).set("outputs", tensors(clientTensors(reply)));
    }
    return value instanceof TBase<?, ?> reply ? struct(reply) : plain(json(value));
  }

  /** The fields that are set, except those of bytes. */
  static <F extends TFieldIdEnum> ObjectNode struct(TBase<?, F> struct) {
    ObjectNode node = JSON.objectNode();
    for (TFieldIdEnum key : JsonStructWriter.metadata(struct.getClass()).keySet()) {
      F field = struct.fieldForId(key.getThriftFieldId());
      if (struct.isSet(field) && !(struct.getFieldValue(field) instanceof byte[])) {
        node.set(key.getFieldName(), json(struct.getFieldValue(field)));
      }
    }
    return node;
  }

  static ObjectNode tensors(Collection<Tensor> tensors) {
    ObjectNode outputs = JSON.objectNode();
    for (Tensor tensor : tensors) {
      ArrayNode shape = JSON.arrayNode();
      for (long extent : tensor.shape()) {
        shape.add(extent);
      }
      ObjectNode output = outputs.putObject(tensor.name());
      output.set("shape", shape);
      output.set("values", Numbers.list(tensor.toDoubles()));
    }
    return outputs;
  }

  private static List<Tensor> clientTensors(InferResponse reply) {
    return reply.getOutputs().stream()
        .map(
            output ->
                new Tensor(
                    output.getName(),
                    output.getDatatype(),
                    output.getShape().stream().mapToLong(Long::longValue).toArray(),
                    output.getData()))
        .toList();
  }

  private static ObjectNode withRows(
      ObjectNode answer, String field, byte[] bytes, DataType datatype) {
    int rows = answer.get("rows").intValue();
    int columns = answer.get("columns").intValue();
    Tensor tensor = new Tensor(field, datatype, new long[] {rows, columns}, bytes);
    return answer.set(field, Numbers.rows(tensor.toDoubles(), rows, columns));
  }

  private static JsonNode json(Object value) {
    if (value instanceof List<?> list) {
      ArrayNode nodes = JSON.arrayNode();
      list.forEach(item -> nodes.add(json(item)));
      return nodes;
    }
    if (value instanceof Map<?, ?> map) {
      ObjectNode nodes = JSON.objectNode();
      map.forEach((key, item) -> nodes.set(key.toString(), json(item)));
      return nodes;
    }
    return scalar(value);
  }

  private static JsonNode scalar(Object value) {
    if (value instanceof TBase<?, ?> struct) {
      return struct(struct);
    }
    if (value instanceof Boolean flag) {
      return JSON.booleanNode(flag);
    }
    if (value instanceof Double number) {
      return JSON.numberNode(number);
    }
    if (value instanceof Number number) {
      return JSON.numberNode(number.longValue());
    }
    return JSON.textNode(value instanceof TEnum name ? name.toString() : (String) value);
  }
}
