"""Screen one text and print what was found, where, and why it matters.

python examples/screen_one_text.py "Se buscan señoritas para trabajar en otro país ..."
"""

import sys

from screening import Screener

TEXT = (
    "Meninas de boa aparência para trabalhar como hostess na Europa! Passagem e moradia por nossa conta, "
    "você paga depois com o trabalho. Não conte para ninguém."
)


def main() -> None:
    """Screen the first argument, or the text above."""
    assessment = Screener.load().screen(sys.argv[1] if len(sys.argv) > 1 else TEXT)
    print(f"{assessment.level}, probability {assessment.probability:.3f}, language {assessment.language}")
    for finding in assessment.findings:
        quotes = ", ".join(repr(span.of(assessment.text)) for span in finding.spans)
        print(f"{finding.contribution:+.2f}  {finding.title}: {quotes}")
        print(f"       {finding.reason}")
    print(assessment.caveat)


if __name__ == "__main__":
    main()
