"""An agent in an app of your own, behind its login: a conversation belongs to whoever began it.

    uvicorn --app-dir examples fastapi_app:app

`POST /login` with `{"name": "ann", "password": "tea"}` sets the cookie; `docs/explanation/protocol.md` says what is at
`/chat`. Real passwords are kept as hashes, and a cookie for https is `secure`.
"""

from secrets import compare_digest, token_urlsafe

from fastapi import FastAPI, HTTPException, Response
from pydantic import BaseModel

from langwire.adapters.fastapi import langwire_router
from langwire.demo import concierge

PASSWORDS = {"ann": "tea", "bob": "coffee"}
app = FastAPI()
people: dict[str, str] = {}


class Login(BaseModel):
    name: str
    password: str


@app.post("/login", status_code=204)
def login(given: Login, response: Response) -> None:
    known, said = PASSWORDS.get(given.name, ""), given.password.encode(errors="replace")  # half a character, say
    if not known or not compare_digest(known.encode(), said):
        raise HTTPException(401, "wrong name or password")
    token = token_urlsafe()
    people[token] = given.name
    response.set_cookie("session", token, httponly=True, samesite="strict")


app.include_router(
    langwire_router(concierge, authorize=lambda request: people.get(request.cookies.get("session", ""))), prefix="/chat"
)
