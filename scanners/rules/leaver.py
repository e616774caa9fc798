"""Lines that the rules must find, and lines that they must leave alone; nobody runs them."""


def tell_a_secret(token, logger, answer, client):
    # ruleid: secret-told
    logger.info("token %s", token.get_secret_value())
    # ruleid: secret-told
    logger.warning("failed", extra={"token": token.get_secret_value()})
    bare = token.get_secret_value().strip()
    # ruleid: secret-told
    self._logger.debug(f"with {bare}")
    # ruleid: secret-told
    print(bare)
    stored = client.get_secret_value(SecretId="leaver/tokens/zoom")["SecretString"]
    if not stored:
        # ruleid: secret-told
        raise Rejected(f"secret: {stored}")
    # ruleid: secret-told
    raise Rejected("refused", response=answer.json["message"])


def tell_no_secret(token, logger, answer):
    # ok: secret-told
    logger.info("refused", extra={"provider_code": safe_code(answer.json["code"]), "status": answer.status})
    # ok: secret-told
    client.put_secret_value(SecretId="leaver/tokens/zoom", SecretString=token.get_secret_value())
    # ok: secret-told
    raise Rejected(f"token: {token}")


def tell_what_a_foreign_error_says(text, logger):
    try:
        parse(text)
    except ValueError as error:
        # ruleid: foreign-error-told
        logger.warning("bad", extra={"reason": str(error)})
        # ruleid: foreign-error-told, traceback-told
        logger.exception(f"bad: {error}")
        # ruleid: traceback-told
        logger.warning("bad", exc_info=True)
        # ruleid: traceback-told
        logger.warning(traceback.format_exc())
        # ruleid: foreign-error-told
        raise Rejected(f"secret: {error}") from None


def tell_the_kind_of_a_foreign_error(text, logger):
    try:
        parse(text)
    except ValidationError as error:
        # ok: foreign-error-told
        logger.warning("bad", extra={"error": type(error).__name__})
        # ok: traceback-told
        frames = traceback.extract_tb(error.__traceback__)
        # ok: foreign-error-told
        raise Rejected(f"secret: {explain(error, Kind)}") from None


def read_whatever_comes(session, url):
    # ruleid: unbounded-read
    response = requests.get(url)
    # ruleid: unbounded-read
    answer = self._session.post(url, stream=True)
    # ruleid: unbounded-read
    sent = session.send(answer, timeout=3)
    # ruleid: unbounded-read
    body = response.json()
    # ruleid: unbounded-read
    body = response.text + last_response.content
    # ruleid: unbounded-read
    body = response.raw.read()
    # ruleid: unbounded-read
    body = urllib.request.urlopen(url)


def read_so_much_and_no_more(session, transport, prepared, secrets):
    # ok: unbounded-read
    response = session.send(prepared, stream=True, timeout=3)
    # ok: unbounded-read
    body = response.raw.read(1024, decode_content=False)
    # ok: unbounded-read
    answer = transport.request("GET", "/users/me", auth=None).json
    # ok: unbounded-read
    text = secrets.text("leaver/ca")


def decide_by_a_providers_name(record, calls):
    # ruleid: provider-named
    if record.provider == "zoom":
        # ruleid: provider-named
        return calls["venafi"]
    # ok: provider-named
    return calls[record.provider]
