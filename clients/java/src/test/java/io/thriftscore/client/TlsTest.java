// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import static org.junit.jupiter.api.Assertions.assertEquals;
import static org.junit.jupiter.api.Assertions.assertThrows;

import java.io.IOException;
import java.net.InetAddress;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyStore;
import java.security.cert.Certificate;
import java.time.Duration;
import java.util.ArrayList;
import java.util.Base64;
import java.util.List;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.SSLServerSocket;
import javax.net.ssl.TrustManagerFactory;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

/** With certificates made for these tests, of a server and of a client. */
@Timeout(value = 60, threadMode = Timeout.ThreadMode.SEPARATE_THREAD)
class TlsTest {
  private static final char[] PASSWORD = "changeit".toCharArray();
  private static final ClientOptions OPTIONS =
      ClientOptions.DEFAULT
          .withTimeout(Duration.ofSeconds(15))
          .withConnectTimeout(Duration.ofSeconds(15));

  @TempDir static Path folder;

  @BeforeAll
  static void makeCertificates() throws Exception {
    make("server", "san=ip:127.0.0.1,dns:scores.example");
    make("client", "san=dns:client.example");
    make("stranger", "san=ip:127.0.0.1");
  }

  private static void make(String name, String extension) throws Exception {
    Path tool = Path.of(System.getProperty("java.home"), "bin", "keytool");
    List<String> command = new ArrayList<>(List.of(tool.toString(), "-genkeypair"));
    command.addAll(List.of("-alias", name, "-keyalg", "EC", "-dname", "CN=" + name));
    command.addAll(List.of("-ext", extension, "-validity", "2", "-storetype", "PKCS12"));
    command.addAll(List.of("-keystore", store(name).toString()));
    command.addAll(List.of("-storepass", new String(PASSWORD)));
    Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
    String output = new String(process.getInputStream().readAllBytes());
    assertEquals(0, process.waitFor(), output);
    KeyStore keys = load(name);
    String certificate = pem("CERTIFICATE", keys.getCertificate(name).getEncoded());
    String key = pem("PRIVATE KEY", keys.getKey(name, PASSWORD).getEncoded());
    Files.writeString(folder.resolve(name + ".pem"), certificate);
    Files.writeString(folder.resolve(name + "-identity.pem"), certificate + key);
  }

  private static String pem(String kind, byte[] bytes) {
    String base64 = Base64.getMimeEncoder(64, "\n".getBytes()).encodeToString(bytes);
    return "-----BEGIN " + kind + "-----\n" + base64 + "\n-----END " + kind + "-----\n";
  }

  private static Path store(String name) {
    return folder.resolve(name + ".p12");
  }

  private static KeyStore load(String name) throws GeneralSecurityException, IOException {
    return KeyStore.getInstance(store(name).toFile(), PASSWORD);
  }

  private static HostileServer serve(boolean asksForCertificate) throws Exception {
    KeyManagerFactory keys =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(load("server"), PASSWORD);
    KeyStore trusted = KeyStore.getInstance("PKCS12");
    trusted.load(null, null);
    Certificate client = load("client").getCertificate("client");
    trusted.setCertificateEntry("client", client);
    TrustManagerFactory trust =
        TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
    trust.init(trusted);
    SSLContext context = SSLContext.getInstance("TLS");
    context.init(keys.getKeyManagers(), trust.getTrustManagers(), null);
    SSLServerSocket listener =
        (SSLServerSocket)
            context
                .getServerSocketFactory()
                .createServerSocket(0, 50, InetAddress.getLoopbackAddress());
    listener.setNeedClientAuth(asksForCertificate);
    return HostileServer.always(listener, HostileServer::behave);
  }

  private static double score(HostileServer server, TlsOptions tls) {
    ClientOptions options = OPTIONS.withTls(tls).withAttemptsMax(1);
    try (ThriftscoreClient client = ThriftscoreClient.connect(server.endpoint(), options)) {
      client.scoreValues("iris", 1);
      return client.scoreValues("iris", 1)[0];
    }
  }

  private static Path pemOf(String name) {
    return folder.resolve(name + ".pem");
  }

  @Test
  void scoresOverTls() throws Exception {
    try (HostileServer server = serve(false)) {
      assertEquals(HostileServer.ANSWER, score(server, TlsOptions.trusting(pemOf("server"))));
    }
  }

  @Test
  void showsItsCertificateToAServerThatAsks() throws Exception {
    TlsOptions identified =
        TlsOptions.trusting(pemOf("server"), folder.resolve("client-identity.pem"));
    try (HostileServer server = serve(true)) {
      assertEquals(HostileServer.ANSWER, score(server, identified));
      TlsOptions anonymous = TlsOptions.trusting(pemOf("server"));
      assertThrows(TransportException.class, () -> score(server, anonymous));
    }
  }

  @Test
  void refusesAServerThatNobodyTrustedSigned() throws Exception {
    try (HostileServer server = serve(false)) {
      TlsOptions others = TlsOptions.trusting(pemOf("stranger"));
      assertThrows(TransportException.ConnectFailed.class, () -> score(server, others));
      TlsOptions system = TlsOptions.systemTrust();
      assertThrows(TransportException.ConnectFailed.class, () -> score(server, system));
    }
  }

  @Test
  void refusesACertificateOfAnotherName() throws Exception {
    try (HostileServer server = serve(false)) {
      TlsOptions tls = TlsOptions.trusting(pemOf("server"));
      assertEquals(
          HostileServer.ANSWER, score(server, tls.withServerName("scores.example")));
      assertThrows(
          TransportException.ConnectFailed.class,
          () -> score(server, tls.withServerName("other.example")));
    }
  }

  @Test
  void timesOutWhenAServerSaysNothingInTheHandshake() throws Exception {
    ClientOptions brief =
        OPTIONS
            .withTls(TlsOptions.trusting(pemOf("server")))
            .withConnectTimeout(Duration.ofMillis(200));
    try (HostileServer server = HostileServer.always(peer -> peer.stall())) {
      assertThrows(
          TransportException.ConnectFailed.class,
          () -> ThriftscoreClient.connect(server.endpoint(), brief));
    }
  }

  @Test
  void saysWhatAFileLacks() throws Exception {
    assertThrows(IOException.class, () -> TlsOptions.trusting(store("server")));
    assertThrows(
        IOException.class, () -> TlsOptions.trusting(pemOf("server"), pemOf("client")));
  }
}
