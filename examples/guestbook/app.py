"""A guestbook: everybody may read it, whoever has signed in may write, and moderators may take a note down."""

from velvetrope.builder import Api, IdentityPool, UserPool

users = UserPool("guestbook", domain="guestbook")
users.dev_user("ada", password="Correct-horse-1")
web = users.client("web", auth_flows=["ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
people = IdentityPool("guestbook", clients=[web], allow_guests=True)

api = Api("guestbook")
api.usage_plan("readers", rate_per_second=10, burst_requests=20, quota_per_day=10_000, keys=["site"])


@api.get("/notes", api_key_required=True)
def read_notes():
    return {"notes": ["Welcome!"]}


@api.post("/notes", authorization_type="AWS_IAM", allow=[people.authenticated])
def write_note():
    return {"written": api.request.json_body["text"]}, 201


@api.delete("/notes/{number}", authorization_type="COGNITO_USER_POOLS", user_pool=users)
def remove_note(number: str):
    if "moderators" not in api.request.request_context.authorizer.claims.get("cognito:groups", ""):
        return {"message": "for moderators only"}, 403
    return {"removed": int(number)}
