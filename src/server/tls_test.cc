#include "server/tls.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "server/testing/raw_client.h"
#include "server/testing/test_server.h"

namespace stenod::server {
namespace {

using namespace std::chrono_literals;
using testing::RawClient;
using testing::TestServer;

/// A folder with cert.pem and key.pem, which belong together.
class Certificate {
 public:
  Certificate() : folder_(::testing::TempDir() + "/tls_test_" + std::to_string(getpid())) {
    std::filesystem::create_directories(folder_);
    renew("first");
  }
  ~Certificate() { std::filesystem::remove_all(folder_); }

  void renew(const std::string& name) {
    EVP_PKEY* const key = EVP_EC_gen("P-256");
    X509* const certificate = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(certificate), 1);
    X509_gmtime_adj(X509_getm_notBefore(certificate), -60);
    X509_gmtime_adj(X509_getm_notAfter(certificate), 3600);
    X509_set_pubkey(certificate, key);
    X509_NAME* const subject = X509_get_subject_name(certificate);
    X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, reinterpret_cast<const unsigned char*>(name.c_str()), -1,
                               -1, 0);
    X509_set_issuer_name(certificate, subject);
    X509_sign(certificate, key, EVP_sha256());
    std::FILE* file = std::fopen(this->certificate().c_str(), "w");
    PEM_write_X509(file, certificate);
    std::fclose(file);
    file = std::fopen(this->key().c_str(), "w");
    PEM_write_PrivateKey(file, key, nullptr, nullptr, 0, nullptr, nullptr);
    std::fclose(file);
    file = std::fopen((folder_ / "encrypted.pem").c_str(), "w");
    PEM_write_PKCS8PrivateKey(file, key, EVP_aes_128_cbc(), "pass", 4, nullptr, nullptr);
    std::fclose(file);
    X509_free(certificate);
    EVP_PKEY_free(key);
  }

  std::filesystem::path certificate() const { return folder_ / "cert.pem"; }
  std::filesystem::path key() const { return folder_ / "key.pem"; }
  std::filesystem::path file(const std::string& name, const std::string& content) const {
    std::ofstream(folder_ / name) << content;
    return folder_ / name;
  }
  std::filesystem::path folder() const { return folder_; }

  ServerOptions options() const {
    ServerOptions options;
    options.tls_certificate = certificate();
    options.tls_key = key();
    return options;
  }

 private:
  const std::filesystem::path folder_;
};

constexpr RawClient::Options kTls{.tls = true};

TEST(Tls, CarriesHttpAndWebSocket) {
  Certificate certificate;
  TestServer server(certificate.options());
  RawClient client(server.port(), kTls);
  ASSERT_TRUE(client.is_connected());
  EXPECT_EQ(client.peer_certificate_name(), "first");
  EXPECT_EQ(client.get("/hello/nobody").body, "nobody");
  client.send("POST /count HTTP/1.1\r\nHost: localhost\r\nContent-Length: 3000000\r\n\r\n" +
              std::string(3'000'000, 'x'));
  EXPECT_EQ(client.read_response().body, "3000000 bytes, the largest piece small");
  EXPECT_EQ(client.upgrade("/ws/echo").status, 101);
  const std::string text(1'000'000, 'y');
  client.send_frame(RawClient::kText, text);
  EXPECT_TRUE(client.read_message().payload == text);
  client.send_frame(RawClient::kClose, "\x03\xe8");
  EXPECT_EQ(client.read_message().close_code(), 1000);
  EXPECT_TRUE(client.is_closed_by_server());
  EXPECT_TRUE(server.journal.wait_for("gone"));
}

TEST(Tls, ClientsSeeAnswersThatComeEarly) {
  Certificate certificate;
  TestServer server(certificate.options());
  RawClient client(server.port(), kTls);
  client.send("POST /echo HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000\r\n\r\n" + std::string(200'000, 'x'));
  EXPECT_EQ(client.read_response().status, 413);
}

TEST(Tls, PlainClientsAndSilentOnesAreLetGo) {
  Certificate certificate;
  ServerOptions options = certificate.options();
  options.limits.head_timeout = 300ms;
  TestServer server(std::move(options));
  RawClient plain(server.port());
  plain.send("GET / HTTP/1.1\r\nHost: localhost\r\n\r\n");
  EXPECT_TRUE(plain.is_closed_by_server());
  RawClient silent(server.port());
  EXPECT_TRUE(silent.is_closed_by_server());
  EXPECT_EQ(RawClient(server.port(), kTls).get("/hello/nobody").status, 200);
}

TEST(Tls, ANewCertificateServesNewConnectionsAndOldOnesGoOn) {
  Certificate certificate;
  TestServer server(certificate.options());
  RawClient old(server.port(), kTls);
  EXPECT_EQ(old.get("/hello/nobody").status, 200);
  certificate.renew("second");
  ASSERT_TRUE(server.server->reload_certificate().ok());
  EXPECT_EQ(RawClient(server.port(), kTls).peer_certificate_name(), "second");
  EXPECT_EQ(old.get("/hello/nobody").status, 200);
  EXPECT_EQ(old.peer_certificate_name(), "first");
}

TEST(Tls, ABadNewCertificateLeavesTheOldOneInUse) {
  Certificate certificate;
  TestServer server(certificate.options());
  certificate.file("cert.pem", "nonsense");
  const Status status = server.server->reload_certificate();
  ASSERT_FALSE(status.ok());
  EXPECT_EQ(status.error().code, ErrorCode::kTlsBadCertificate);
  EXPECT_EQ(status.error().param, certificate.certificate().string());
  EXPECT_EQ(RawClient(server.port(), kTls).peer_certificate_name(), "first");
}

TEST(Tls, MayBeReloadedWhileClientsCome) {
  Certificate certificate;
  TestServer server(certificate.options());
  std::atomic<bool> done = false;
  std::thread reloading([&] {
    while (!done) EXPECT_TRUE(server.server->reload_certificate().ok());
  });
  for (int i = 0; i < 20; ++i) EXPECT_EQ(RawClient(server.port(), kTls).get("/hello/nobody").status, 200);
  done = true;
  reloading.join();
}

TEST(Tls, UnusableFilesAreErrorsThatNameTheFile) {
  Certificate first;
  const auto key_of_another = first.folder() / "other.pem";
  std::filesystem::copy(first.key(), key_of_another);
  first.renew("second");
  const auto code = [&](const std::filesystem::path& certificate, const std::filesystem::path& key) {
    const auto result = load_tls(certificate, key);
    return result.ok() ? "ok"
                       : std::string(error_name(result.error().code)) + " " +
                             std::filesystem::path(result.error().param).filename().string();
  };
  const auto empty = first.file("empty.pem", "");
  const auto broken = first.file("broken.pem", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n");
  EXPECT_EQ(code(first.certificate(), first.key()), "ok");
  EXPECT_EQ(code(first.certificate(), key_of_another), "tls_bad_certificate other.pem");
  EXPECT_EQ(code(first.certificate(), first.folder() / "encrypted.pem"), "tls_bad_certificate encrypted.pem");
  EXPECT_EQ(code(first.certificate(), first.certificate()), "tls_bad_certificate cert.pem");
  EXPECT_EQ(code(empty, first.key()), "tls_bad_certificate empty.pem");
  EXPECT_EQ(code(broken, first.key()), "tls_bad_certificate broken.pem");
  EXPECT_EQ(code(first.certificate(), empty), "tls_bad_certificate empty.pem");
  EXPECT_EQ(code(first.folder() / "nothing.pem", first.key()).substr(0, 9), "not_found");
}

TEST(Tls, OldVersionsAreNotSpoken) {
  Certificate certificate;
  const auto context = load_tls(certificate.certificate(), certificate.key());
  ASSERT_TRUE(context.ok());
  EXPECT_EQ(SSL_CTX_get_min_proto_version((*context)->native_handle()), TLS1_2_VERSION);
}

}  // namespace
}  // namespace stenod::server
