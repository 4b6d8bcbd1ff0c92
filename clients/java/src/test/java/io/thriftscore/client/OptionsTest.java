// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertFalse;
import static org.junit.jupiter.api.Assertions.assertThrows;
import static org.junit.jupiter.api.Assertions.assertTrue;

import java.time.Duration;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class OptionsTest {

  @Test
  void neverPrintsTheToken() {
    String text = ClientOptions.DEFAULT.withAuthToken("hunter2").toString();
    assertFalse(text.contains("hunter2"), text);
    assertTrue(text.contains("authToken=set"), text);
  }

  @ParameterizedTest
  @ValueSource(longs = {0, -1, 1L << 31})
  void refusesTimeoutsThatTheWireCannotCarry(long millis) {
    Duration timeout = Duration.ofMillis(millis);
    assertThrows(
        IllegalArgumentException.class, () -> ClientOptions.DEFAULT.withTimeout(timeout));
    assertThrows(
        IllegalArgumentException.class, () -> ClientOptions.DEFAULT.withConnectTimeout(timeout));
  }

  @Test
  void takesZeroInACallAsTheTimeoutOfTheClient() {
    assertEquals(Duration.ZERO, CallOptions.DEFAULT.timeout());
    assertThrows(
        IllegalArgumentException.class,
        () -> CallOptions.DEFAULT.withTimeout(Duration.ofNanos(1)));
  }

  @ParameterizedTest
  @CsvSource({
    "127.0.0.1:9090, 127.0.0.1, 9090",
    "scores.example:1, scores.example, 1",
    "[::1]:65535, ::1, 65535",
  })
  void readsEndpoints(String text, String host, int port) {
    Endpoint endpoint = Endpoint.parse(text);
    assertEquals(new Endpoint(host, port, ""), endpoint);
    assertEquals(text, endpoint.toString());
  }

  @ParameterizedTest
  @ValueSource(strings = {"", "localhost", ":9090", "::1:9090", "host:", "host:0", "host:65536"})
  void refusesEndpointsWithoutHostOrPort(String text) {
    var error = assertThrows(IllegalArgumentException.class, () -> Endpoint.parse(text));
    assertTrue(error.getMessage().contains("\"" + text + "\""), error.getMessage());
  }
}
