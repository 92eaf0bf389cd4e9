# SPDX-License-Identifier: GPL-2.0-only
"""A small user service, as one finds it in the wild: FastAPI, made-up users from Faker, and a cache.

The mistake: users are cached for ever. Every new visitor's id makes the process a little larger, and
nothing is ever taken out again.
"""
from faker import Faker
from fastapi import FastAPI

app = FastAPI()
fake = Faker()
users = {}


def get_user(user_id):
    if user_id not in users:
        users[user_id] = fake.profile()
    return users[user_id]


@app.get("/users/{user_id}")
async def read_user(user_id: int):
    user = get_user(user_id)
    return {"name": user["name"], "mail": user["mail"], "job": user["job"]}


@app.get("/health")
async def read_health():
    return {"users": len(users)}
