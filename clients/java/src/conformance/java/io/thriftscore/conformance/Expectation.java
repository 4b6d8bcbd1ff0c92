// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.conformance;

import com.fasterxml.jackson.databind.JsonNode;
import java.util.ArrayList;
import java.util.List;

/** Compares an answer with what a case expects of it. */
final class Expectation {
  private static final List<String> INSTRUCTIONS = List.of("tolerance", "message_contains");

  private final double tolerance;
  private final List<String> faults = new ArrayList<>();

  private Expectation(double tolerance) {
    this.tolerance = tolerance;
  }

  /** What is wrong with `answer`; empty if nothing is. */
  static List<String> faults(JsonNode expected, JsonNode answer) {
    Expectation expectation = new Expectation(expected.path("tolerance").asDouble(0));
    if (answer.has("error") && !expected.has("error")) {
      expectation.faults.add("unexpected error " + answer);
    } else {
      expectation.compareFields("", expected, answer);
      expectation.compareMessage(expected.path("message_contains"), answer);
    }
    return expectation.faults;
  }

  private void compareMessage(JsonNode parts, JsonNode answer) {
    String message = answer.path("message").asText();
    for (JsonNode part : parts) {
      if (!message.contains(part.textValue())) {
        faults.add("the message does not contain " + part + ": " + message);
      }
    }
  }

  private void compareFields(String where, JsonNode expected, JsonNode actual) {
    for (var field : expected.properties()) {
      if (!INSTRUCTIONS.contains(field.getKey())) {
        compare(where + "/" + field.getKey(), field.getValue(), actual.path(field.getKey()));
      }
    }
  }

  private void compare(String where, JsonNode expected, JsonNode actual) {
    if (expected.has("contains")) {
      requireMembers(where, expected.get("contains"), actual);
    } else if (expected.has("at_least")) {
      require(
          actual.isNumber() && actual.doubleValue() >= expected.get("at_least").doubleValue(),
          where, expected, actual);
    } else if (expected.isObject()) {
      compareFields(where, expected, actual);
    } else if (expected.isArray()) {
      compareLists(where, expected, actual);
    } else if (actual.isNumber()) {
      require(isClose(Numbers.number(expected), actual.doubleValue()), where, expected, actual);
    } else {
      require(expected.equals(actual), where, expected, actual);
    }
  }

  private void compareLists(String where, JsonNode expected, JsonNode actual) {
    if (!actual.isArray() || actual.size() != expected.size()) {
      require(false, where, expected, actual);
      return;
    }
    for (int index = 0; index < expected.size(); index++) {
      compare(where + "/" + index, expected.get(index), actual.get(index));
    }
  }

  private void requireMembers(String where, JsonNode members, JsonNode actual) {
    List<JsonNode> list = new ArrayList<>();
    actual.forEach(list::add);
    for (JsonNode member : members) {
      require(list.contains(member), where, member, actual);
    }
  }

  private boolean isClose(double expected, double actual) {
    return Double.compare(expected, actual) == 0
        || expected == actual
        || Math.abs(actual - expected) <= tolerance * Math.max(1, Math.abs(expected));
  }

  private void require(boolean holds, String where, JsonNode expected, JsonNode actual) {
    if (!holds) {
      faults.add(where + " must be " + expected + ", received " + actual);
    }
  }
}
