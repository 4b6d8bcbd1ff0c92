// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertTrue;

import io.thriftscore.idl.ErrorCode;
import io.thriftscore.idl.ScoringError;
import java.time.Duration;
import java.util.Locale;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.EnumSource;

class ServerExceptionTest {
  private static final CallSite SITE =
      new CallSite("127.0.0.1:9090", "score", "iris", 2);

  @ParameterizedTest
  @EnumSource
  void hasAClassForEveryCode(ErrorCode code) {
    ServerException error = ServerException.of(SITE, new ScoringError().setCode(code));
    assertEquals(code, error.code());
    assertEquals(
        code.name().replace("_", ""), error.getClass().getSimpleName().toUpperCase(Locale.ROOT));
  }

  @Test
  void carriesTheServersAdvice() {
    ServerException error =
        ServerException.of(
            SITE,
            new ScoringError()
                .setCode(ErrorCode.OVERLOADED)
                .setMessage("the queue has 1024 calls")
                .setRetryable(true)
                .setRetry_after_ms(20));
    assertTrue(error.retryable());
    assertEquals(Duration.ofMillis(20), error.retryAfter());
    assertEquals("the queue has 1024 calls", error.reason());
    assertEquals(
        "score of model \"iris\" at 127.0.0.1:9090, attempt 2:"
            + " OVERLOADED: the queue has 1024 calls",
        error.getMessage());
  }

  @Test
  void takesACodeThatItDoesNotKnowAsInternal() {
    ServerException error = ServerException.of(SITE, new ScoringError().setCode(null));
    assertEquals(ErrorCode.INTERNAL, error.code());
  }
}
