"""What providers are called in the record. Here, so that who only reads the record loads nobody's client."""

TWILIO = "twilio"
SMTP = "smtp"
