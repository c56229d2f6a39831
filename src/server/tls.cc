#include "server/tls.h"

#include <openssl/err.h>
#include <openssl/ssl.h>

#include <boost/asio/buffer.hpp>
#include <string>
#include <string_view>

#include "base/file.h"

namespace stenod::server {
namespace {

namespace ssl = boost::asio::ssl;

constexpr std::size_t kMaxPemBytes = 1024 * 1024;

// Mozilla's "intermediate" choice for TLS 1.2 (https://wiki.mozilla.org/Security/Server_Side_TLS); those of TLS 1.3 are
// all good.
constexpr const char* kCiphers =
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:ECDHE-ECDSA-AES256-GCM-SHA384:"
    "ECDHE-RSA-AES256-GCM-SHA384:ECDHE-ECDSA-CHACHA20-POLY1305:ECDHE-RSA-CHACHA20-POLY1305";

/// Clients that also know HTTP/2 are told that this is HTTP/1.1. Others are not refused.
int choose_protocol(SSL*, const unsigned char** out, unsigned char* out_size, const unsigned char* offered,
                    unsigned int offered_size, void*) {
  static constexpr unsigned char kHttp11[] = {8, 'h', 't', 't', 'p', '/', '1', '.', '1'};
  unsigned char* chosen = nullptr;
  if (SSL_select_next_proto(&chosen, out_size, kHttp11, sizeof kHttp11, offered, offered_size) !=
      OPENSSL_NPN_NEGOTIATED) {
    return SSL_TLSEXT_ERR_NOACK;
  }
  *out = chosen;
  return SSL_TLSEXT_ERR_OK;
}

}  // namespace

Result<std::shared_ptr<ssl::context>> load_tls(const std::filesystem::path& certificate,
                                               const std::filesystem::path& key) {
  STENOD_ASSIGN_OR_RETURN(const std::string certificate_pem, read_file(certificate, kMaxPemBytes));
  STENOD_ASSIGN_OR_RETURN(const std::string key_pem, read_file(key, kMaxPemBytes));

  auto context = std::make_shared<ssl::context>(ssl::context::tls_server);
  SSL_CTX* const handle = context->native_handle();
  SSL_CTX_set_min_proto_version(handle, TLS1_2_VERSION);
  SSL_CTX_set_options(handle, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
  SSL_CTX_set_cipher_list(handle, kCiphers);
  SSL_CTX_set_mode(handle, SSL_MODE_RELEASE_BUFFERS);
  SSL_CTX_set_alpn_select_cb(handle, choose_protocol, nullptr);

  boost::system::error_code error;
  const auto bad = [&](std::string_view what, const std::filesystem::path& file) {
    return Error{ErrorCode::kTlsBadCertificate,
                 std::string(what) + ": " + (error ? error.message() : "no reason given"), file.string()};
  };
  // Without a callback OpenSSL would ask for the pass phrase on the terminal.
  context->set_password_callback([](std::size_t, ssl::context::password_purpose) { return std::string(); }, error);
  context->use_certificate_chain(boost::asio::buffer(certificate_pem), error);
  if (error) return bad("The file is no PEM certificate that can be used", certificate);
  context->use_private_key(boost::asio::buffer(key_pem), ssl::context::pem, error);
  if (error) return bad("The file is no PEM private key, without pass phrase, of the certificate", key);
  if (SSL_CTX_check_private_key(handle) != 1) {
    ERR_clear_error();
    return Error{ErrorCode::kTlsBadCertificate, "The key is not the certificate's.", key.string()};
  }
  return context;
}

}  // namespace stenod::server
