"""One route for everybody with an API key, one behind the velvet rope."""

from velvetrope.builder import Api, IdentityPool, UserPool

users = UserPool("auth-api-demo", domain="auth-api-demo")
users.dev_user("demouser", password="demoPASS123")
web = users.client("web", auth_flows=["ALLOW_USER_SRP_AUTH", "ALLOW_USER_PASSWORD_AUTH", "ALLOW_REFRESH_TOKEN_AUTH"])
identities = IdentityPool("auth_api_demo", clients=[web], allow_guests=True)

api = Api("auth-api-demo")
api.usage_plan("api-auth-demo", rate_per_second=10, burst_requests=20, quota_per_day=10_000, keys=["web"])


@api.get("/no-auth", api_key_required=True)
def no_auth():
    return {"message": "Open for All!"}


@api.get("/require-auth", api_key_required=True, authorization_type="AWS_IAM", allow=[identities.authenticated])
def require_auth():
    return {"message": "You're past the velvet rope!"}
