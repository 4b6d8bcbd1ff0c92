// SPDX-License-Identifier: Apache-2.0
package io.thriftscore.client;

import java.io.IOException;
import java.io.InputStream;
import java.nio.file.Files;
import java.nio.file.Path;
import java.security.GeneralSecurityException;
import java.security.KeyFactory;
import java.security.KeyStore;
import java.security.PrivateKey;
import java.security.cert.Certificate;
import java.security.cert.CertificateException;
import java.security.cert.CertificateFactory;
import java.security.spec.InvalidKeySpecException;
import java.security.spec.PKCS8EncodedKeySpec;
import java.util.Base64;
import java.util.Collection;
import java.util.List;
import java.util.Objects;
import javax.net.ssl.KeyManagerFactory;
import javax.net.ssl.SSLContext;
import javax.net.ssl.TrustManagerFactory;

/**
 * How connections are secured. The server's certificate is always verified: that it is signed by
 * somebody the context trusts, and that it is for the name that was asked for.
 *
 * @param context whom to trust, and the client's own certificate where there is one
 * @param serverName the name that the certificate must be for; empty = the endpoint's host
 */
public record TlsOptions(SSLContext context, String serverName) {

  /** Checks the values. */
  public TlsOptions {
    Objects.requireNonNull(context, "context");
    Objects.requireNonNull(serverName, "serverName");
  }

  /**
   * Trusts whom Java trusts.
   *
   * @return the options
   */
  public static TlsOptions systemTrust() {
    try {
      return new TlsOptions(SSLContext.getDefault(), "");
    } catch (GeneralSecurityException noTls) {
      throw new IllegalStateException("this Java has no TLS", noTls);
    }
  }

  /**
   * Trusts the authorities of a file and nobody else.
   *
   * @param authorities certificates in PEM
   * @return the options
   * @throws IOException if the file cannot be read, or holds no certificate
   */
  public static TlsOptions trusting(Path authorities) throws IOException {
    return trusting(authorities, null);
  }

  /**
   * Trusts the authorities of a file, and shows the server a certificate of its own.
   *
   * @param authorities certificates in PEM
   * @param identity the client's certificate, those that lead to its authority, and its private
   *     key (PKCS #8, not encrypted), all in PEM in one file
   * @return the options
   * @throws IOException if a file cannot be read, or does not hold these
   */
  public static TlsOptions trusting(Path authorities, Path identity) throws IOException {
    try {
      KeyStore trusted = emptyStore();
      for (Certificate authority : certificates(authorities)) {
        trusted.setCertificateEntry("authority-" + trusted.size(), authority);
      }
      TrustManagerFactory trust =
          TrustManagerFactory.getInstance(TrustManagerFactory.getDefaultAlgorithm());
      trust.init(trusted);
      SSLContext context = SSLContext.getInstance("TLS");
      context.init(
          identity == null ? null : identity(identity).getKeyManagers(),
          trust.getTrustManagers(),
          null);
      return new TlsOptions(context, "");
    } catch (GeneralSecurityException invalid) {
      throw new IOException("no TLS with " + authorities + ": " + invalid.getMessage(), invalid);
    }
  }

  /**
   * The same options for a server of another name than its host's.
   *
   * @param value see {@link #serverName()}
   * @return the changed copy
   */
  public TlsOptions withServerName(String value) {
    return new TlsOptions(context, value);
  }

  String nameOr(String host) {
    return serverName.isEmpty() ? host : serverName;
  }

  private static KeyManagerFactory identity(Path file)
      throws GeneralSecurityException, IOException {
    char[] password = {};
    KeyStore store = emptyStore();
    Certificate[] chain = certificates(file).toArray(Certificate[]::new);
    store.setKeyEntry("client", privateKey(file), password, chain);
    KeyManagerFactory keys =
        KeyManagerFactory.getInstance(KeyManagerFactory.getDefaultAlgorithm());
    keys.init(store, password);
    return keys;
  }

  private static KeyStore emptyStore() throws GeneralSecurityException, IOException {
    KeyStore store = KeyStore.getInstance("PKCS12");
    store.load(null, null);
    return store;
  }

  private static Collection<? extends Certificate> certificates(Path file)
      throws CertificateException, IOException {
    Collection<? extends Certificate> found;
    String text = Files.readString(file);
    // What follows the last certificate, such as a key, is not for the certificate factory.
    int end = text.lastIndexOf("-----END CERTIFICATE-----");
    String only = end < 0 ? "" : text.substring(text.indexOf("-----BEGIN CERTIFICATE"), end);
    try (InputStream input =
        new java.io.ByteArrayInputStream((only + "-----END CERTIFICATE-----\n").getBytes())) {
      found = CertificateFactory.getInstance("X.509").generateCertificates(input);
    }
    if (end < 0 || found.isEmpty()) {
      throw new IOException(file + " has no certificate in PEM");
    }
    return found;
  }

  private static PrivateKey privateKey(Path file) throws GeneralSecurityException, IOException {
    String text = Files.readString(file);
    int begin = text.indexOf("-----BEGIN PRIVATE KEY-----");
    int end = text.indexOf("-----END PRIVATE KEY-----");
    if (begin < 0 || end < begin) {
      throw new IOException(file + " has no private key in PKCS #8 and PEM");
    }
    String base64 = text.substring(text.indexOf('\n', begin), end);
    var key = new PKCS8EncodedKeySpec(Base64.getMimeDecoder().decode(base64));
    for (String algorithm : List.of("RSA", "EC", "Ed25519")) {
      try {
        return KeyFactory.getInstance(algorithm).generatePrivate(key);
      } catch (InvalidKeySpecException another) {
        // The file does not say of which algorithm its key is.
      }
    }
    throw new IOException(file + " has a private key that is neither RSA, EC nor Ed25519");
  }
}
