"""Certificates for servers of the tests, signed by themselves."""
import ssl
import subprocess


def make_certificate(folder, name, file="certificate"):
    """For a host of that name; returns the paths of the certificate and of its key."""
    certificate, key = folder / f"{file}.pem", folder / f"{file}-key.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2",
                    "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name}", "-keyout", key, "-out", certificate],
                   check=True, capture_output=True, timeout=60)
    return certificate, key


def trusting(certificate):
    """What clients need who believe this certificate alone."""
    return ssl.create_default_context(cafile=certificate)
