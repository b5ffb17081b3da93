// Asks about certificates as a Java program does that turns revocation checking on: CertPathValidator with a
// PKIXRevocationChecker, OCSP only (NO_FALLBACK), end entity only, at a responder named by the caller.
//
// java [-Dcom.sun.security.ocsp.useget=BOOL] Check.java ROOT INTERMEDIATE
//
// For each line `URL CERTIFICATE NONCE` on stdin, one line on stdout: `good: valid`, or `revoked: `, `unknown: ` or
// `refused: ` with the exception's reason and message.  ROOT is the trust anchor, INTERMEDIATE the issuer.

import java.io.BufferedReader;
import java.io.FileInputStream;
import java.io.InputStream;
import java.io.InputStreamReader;
import java.net.URI;
import java.security.cert.CertPath;
import java.security.cert.CertPathValidator;
import java.security.cert.CertPathValidatorException;
import java.security.cert.CertPathValidatorException.BasicReason;
import java.security.cert.CertificateFactory;
import java.security.cert.PKIXParameters;
import java.security.cert.PKIXRevocationChecker;
import java.security.cert.PKIXRevocationChecker.Option;
import java.security.cert.TrustAnchor;
import java.security.cert.X509Certificate;
import java.util.EnumSet;
import java.util.List;
import java.util.Set;

public class Check {
    private static CertificateFactory factory;

    public static void main(String[] arguments) throws Exception {
        factory = CertificateFactory.getInstance("X.509");
        X509Certificate root = read(arguments[0]);
        X509Certificate intermediate = read(arguments[1]);
        BufferedReader questions = new BufferedReader(new InputStreamReader(System.in));
        for (String line = questions.readLine(); line != null; line = questions.readLine()) {
            String[] words = line.split(" ");
            // Read anew for each check.
            System.setProperty("jdk.security.certpath.ocspNonce", words[2]);
            String verdict;
            try {
                validate(root, List.of(read(words[1]), intermediate), new URI(words[0]));
                verdict = "good: valid";
            } catch (CertPathValidatorException refusal) {
                verdict = verdict(refusal);
            }
            System.out.println(verdict.replace('\n', ' '));
        }
    }

    private static void validate(X509Certificate root, List<X509Certificate> chain, URI responder) throws Exception {
        CertPathValidator validator = CertPathValidator.getInstance("PKIX");
        PKIXRevocationChecker checker = (PKIXRevocationChecker) validator.getRevocationChecker();
        checker.setOptions(EnumSet.of(Option.NO_FALLBACK, Option.ONLY_END_ENTITY));
        checker.setOcspResponder(responder);
        PKIXParameters parameters = new PKIXParameters(Set.of(new TrustAnchor(root, null)));
        parameters.addCertPathChecker(checker);
        CertPath path = factory.generateCertPath(chain);
        validator.validate(path, parameters);
    }

    private static String verdict(CertPathValidatorException refusal) {
        String words = refusal.getReason() + ": " + refusal.getMessage();
        if (refusal.getReason() == BasicReason.REVOKED) {
            return "revoked: " + words;
        }
        if (refusal.getReason() == BasicReason.UNDETERMINED_REVOCATION_STATUS
                && refusal.getMessage().contains("status is unknown")) {
            return "unknown: " + words;
        }
        return "refused: " + words;
    }

    private static X509Certificate read(String file) throws Exception {
        try (InputStream input = new FileInputStream(file)) {
            return (X509Certificate) factory.generateCertificate(input);
        }
    }
}
